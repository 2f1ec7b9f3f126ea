"""Runs `loss`: opens the pair, reads the texts, prints the curve."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.api.loss import FIRST_TOKENS, LossCurve, need_matplotlib
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.loss import Loss, LossSettings
from logit_amp_chat.core.experiments.sources import Refused, Source, Sources
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.reading import PlainText, Score
from logit_amp_chat.core.text import clean, visible
from logit_amp_chat.tui.commands import engine, loss_output
from logit_amp_chat.tui.commands.output import put, put_json, put_safe, say
from logit_amp_chat.tui.commands.reading_progress import ReadingProgress
from logit_amp_chat.tui.commands.sources import open_sources, say_refused, use_vocabulary
from logit_amp_chat.tui.commands.styles import Styles, When, wants_colour

if TYPE_CHECKING:
    from logit_amp_chat.core.api.connect import Server
    from logit_amp_chat.core.config.profile import Profile

REFUSED, CANCELLED = 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command was asked for."""

    reading: LossSettings
    form: str
    plot: Path | None
    color: When


class _Texts:
    """Texts of the command line, then those of files."""

    def __init__(self, texts: Sequence[str], files: Sources | None) -> None:
        self._texts = texts
        self._files = files
        self._taken = 0

    @property
    def size(self) -> int:
        return sum(map(len, self._texts)) + (self._files.size if self._files else 0)

    @property
    def position(self) -> int:
        return self._taken + (self._files.position if self._files else 0)

    def __iter__(self) -> Iterator[Source | Refused]:
        for number, text in enumerate(self._texts, 1):
            self._taken += len(text)
            content = PlainText(text=clean(text))
            yield Source(name=f"text {number}", place="", line=1, content=content)
        if self._files:
            yield from self._files


def run(
    profile: Profile,
    paths: Sequence[str],
    texts: Sequence[str],
    score: Score,
    settings: Settings,
    server: Server | None = None,
) -> int:
    """Print the loss of what `paths` name and of `texts`; the exit code. Raises LogitAmpError."""
    if settings.plot is not None:
        need_matplotlib()
    files = open_sources(paths, score) if paths else None
    read = _Texts(texts, files)
    with engine.open_pair(profile, server=server) as pair:
        if files:
            use_vocabulary(files, pair)
        loss = Loss(pair.engine, read, settings.reading)
        progress = ReadingProgress(read, live=True)
        with pair.interruptible(loss.stop):
            for _ in progress.watched(loss):
                pass
        progress.finish()
    return _print(loss, settings)


def _print(loss: Loss, settings: Settings) -> int:
    say_refused(loss.refused)
    if not loss.total.tokens and loss.cancelled:
        say("Stopped by you before any text was read to its end: there is no curve.")
        return CANCELLED
    if not loss.total.tokens and loss.refused:
        return REFUSED
    curve = LossCurve(loss)
    if settings.form == "--json":
        for line in loss_output.as_json(loss, curve).split("\n"):
            put_json(line)
    elif settings.form == "--csv":
        put(loss_output.as_csv(curve))
    else:
        put_safe(loss_output.as_text(loss.session, curve, Styles(wants_colour(settings.color))))
    _notes(curve)
    if settings.plot is not None:
        _plot(curve, settings.plot)
    if loss.cancelled:
        say("Stopped by you: the curve is that of the texts that were read to their end.")
        return CANCELLED
    return REFUSED if loss.refused else 0


def _notes(curve: LossCurve) -> None:
    """What has to be known about the curve."""
    if said := FIRST_TOKENS.get(curve.first_token):
        say(f"note: {said}")
    if len(curve.documents) == 1:
        say("note: One text alone gives no standard error.")
    best = curve.minimum
    if best in (curve.rows[0], curve.rows[-1]) and len(curve.rows) > 1:
        say("note: The loss is least at the end of the αs: it may be less beyond.")
    if curve.one_sided:
        say(
            f"note: At {curve.one_sided:,} of {curve.tokens:,} tokens one side rules out what the"
            " other allows: the loss may jump at α −1 and 0."
        )


def _plot(curve: LossCurve, path: Path) -> None:
    from matplotlib.figure import Figure

    figure, data = Figure(figsize=(6.4, 4.0), layout="constrained"), io.BytesIO()
    curve.plot(figure.subplots())
    figure.savefig(data, format=path.suffix[1:].lower(), dpi=200)
    try:
        write_atomically(path, data.getvalue())
    except LogitAmpError as error:
        raise LogitAmpError(error.message, "Choose another place with --plot.") from error
    say(f"wrote {visible(str(path), newlines=False)}")

"""Runs `diff`: opens the pair, reads the sources, prints one form of what was found."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.analysis.hunks import CONTEXT
from logit_amp_chat.core.experiments.diff import Diff, DiffSettings
from logit_amp_chat.core.experiments.sources import Sources
from logit_amp_chat.core.reading import Score
from logit_amp_chat.tui.commands import diff_output, diff_tokens, engine
from logit_amp_chat.tui.commands.output import (
    put,
    put_json,
    put_safe,
    say,
    show_in_pager,
    write_pieces,
)
from logit_amp_chat.tui.commands.reading_progress import ReadingProgress
from logit_amp_chat.tui.commands.sources import (
    open_sources,
    refuse_source,
    say_refused,
    use_vocabulary,
)
from logit_amp_chat.tui.commands.styles import Styles, When, wants_colour

if TYPE_CHECKING:
    from logit_amp_chat.core.api.connect import Server
    from logit_amp_chat.core.config.profile import Profile

BEYOND, REFUSED, CANCELLED = 1, 2, 130
FORMS: dict[str, diff_output.Output] = {
    "": diff_output.hunks,
    "--stat": diff_output.stat,
    "--tokens": diff_tokens.tables,
    "--jsonl": diff_output.jsonl,
    "--json": diff_output.summary,
    "--csv": diff_output.rows,
    "--html": diff_output.page,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command was asked for."""

    form: str
    threshold: float | None
    around: int | None
    alphas: tuple[float, ...]
    window: int | None
    stride: int | None
    top: int
    everywhere: bool
    limits: dict[str, float]
    strongest: int | None
    out: Path | None
    color: When
    pager: bool


def run(
    profile: Profile,
    paths: Sequence[str],
    score: Score,
    settings: Settings,
    server: Server | None = None,
) -> int:
    """Print the diff of what `paths` name; returns the exit code. Raises LogitAmpError."""
    sources = open_sources(paths, score)
    if settings.out is not None:
        refuse_source(settings.out, sources)
    with engine.open_pair(profile, server=server) as pair:
        use_vocabulary(sources, pair)
        diff = Diff(pair.engine, sources, _wanted(profile, settings))
        with pair.interruptible(diff.stop):
            if settings.threshold is None:
                diff.choose_threshold()
            _print(diff, sources, settings)
    return _exit_code(diff, settings.limits)


def _wanted(profile: Profile, settings: Settings) -> DiffSettings:
    return DiffSettings(
        threshold=settings.threshold or 0.0,
        context=CONTEXT if settings.around is None else settings.around,
        alphas=settings.alphas,
        window=settings.window,
        stride=settings.stride,
        top=settings.top,
        everywhere=settings.everywhere,
        sums=settings.form == "--tokens",
        ends=profile.sampling.ends,
    )


def _print(diff: Diff, sources: Sources, settings: Settings) -> None:
    form, out = FORMS[settings.form], settings.out
    if settings.strongest is not None:
        form = functools.partial(diff_output.strongest, settings.strongest)
    styles = Styles(wants_colour("never" if out and settings.color == "auto" else settings.color))
    paged = out is None and settings.form == "" and settings.pager and sys.stdout.isatty()
    progress = ReadingProgress(sources, live=not paged)
    pieces = form(diff, progress.watched(diff), styles)
    if paged:
        if not show_in_pager(pieces, colour=styles.colour) and not settings.limits:
            say_refused(diff.refused)
            return  # whoever read it has seen enough
        for _ in pieces:  # --fail-on is about all of it
            pass
    elif out is not None:
        write_pieces(out, pieces)
    else:
        for piece in pieces:
            progress.clear()
            _put(settings.form, piece)
    progress.finish()
    say_refused(diff.refused)


def _put(form: str, piece: str) -> None:
    if form in ("--jsonl", "--json"):
        for line in piece.removesuffix("\n").split("\n"):
            put_json(line)
    elif form in ("--csv", "--html"):
        put(piece)
    else:
        put_safe(piece)


def _exit_code(diff: Diff, limits: dict[str, float]) -> int:
    """Says which limits are passed."""
    if diff.cancelled:
        say("Stopped by you: the figures are those of what was read so far.")
        return CANCELLED
    found = {name: abs(getattr(diff.total, name.replace("-", "_"))) for name in limits}
    # without a token nothing is within a limit either
    beyond = [name for name, limit in limits.items() if not found[name] <= limit]
    for name in beyond:
        say(f"beyond --fail-on: {name} is {found[name]:.6g}, the limit is {limits[name]:g}")
    return REFUSED if diff.refused else BEYOND if beyond else 0

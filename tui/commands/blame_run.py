"""Runs `diff --blame`: reads the sources under every stage of a chain, and prints who did what."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.analysis.hunks import CONTEXT
from logit_amp_chat.core.api.interrupts import interruptible
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import between
from logit_amp_chat.core.experiments.blame import Blame, BlameSettings, DocumentBlame, Reading
from logit_amp_chat.core.experiments.sources import Sources
from logit_amp_chat.core.export.describe_reading import cut_short, title
from logit_amp_chat.core.number_format import count, quantity
from logit_amp_chat.core.protocol import Noticed
from logit_amp_chat.core.reading import Score
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands import blame_output
from logit_amp_chat.tui.commands.output import (
    Progress,
    put,
    put_json,
    put_safe,
    say,
    show_in_pager,
    write_pieces,
)
from logit_amp_chat.tui.commands.reading_progress import LiveLine
from logit_amp_chat.tui.commands.sources import open_sources, refuse_source, say_refused
from logit_amp_chat.tui.commands.styles import Styles, wants_colour

if TYPE_CHECKING:
    from logit_amp_chat.core.engine.stage_engine import StageEngine
    from logit_amp_chat.tui.commands.diff_run import Settings

REFUSED, CANCELLED = 2, 130
GB = 1e9
FORMS: dict[str, blame_output.Output] = {
    "": blame_output.hunks,
    "--stat": blame_output.stat,
    "--jsonl": blame_output.jsonl,
    "--json": blame_output.summary,
    "--csv": blame_output.rows,
    "--html": blame_output.page,
}


@dataclass(frozen=True, slots=True)
class Stages:
    """Which stages are read, from one to another (None: the ends), and whose hunks are shown."""

    first: str | None = None
    last: str | None = None
    shown: str | None = None


def run(
    profile: Profile, paths: Sequence[str], score: Score, settings: Settings, asked: Stages
) -> int:
    """Print what each stage did to the texts; returns the exit code. Raises LogitAmpError."""
    stages = between(profile, asked.first, asked.last)
    sources = open_sources(paths, score)
    if settings.out is not None:
        refuse_source(settings.out, sources)
    with _opened(profile) as engine:
        for notice in sources.use_vocabulary(engine.vocabulary):
            say(f"note: {notice}")
        for notice in engine.notices:
            say(f"note: {notice}")
        _announce_download(engine, stages)
        held = engine.held(stages)
        blame = Blame(engine, stages, held, sources, _wanted(settings, asked.shown))
        _announce(engine, blame)
        with interruptible(blame.stop):
            _print(blame, engine, settings, sources)
    say_refused(blame.refused)
    if blame.cancelled:
        say("Stopped by you: the figures are those of the texts that all stages have read.")
        if (last := blame.stopped) is not None:
            name = title(last.document) + cut_short(last.document, len(last.tokens))
            say(visible(name, newlines=False))
        return CANCELLED
    return REFUSED if blame.refused else 0


def _wanted(settings: Settings, stage: str | None) -> BlameSettings:
    return BlameSettings(
        threshold=settings.threshold,
        context=CONTEXT if settings.around is None else settings.around,
        stage=stage,
        window=settings.window,
        stride=settings.stride,
    )


@contextlib.contextmanager
def _opened(profile: Profile) -> Iterator[StageEngine]:
    from logit_amp_chat.core.engine.stage_engine import StageEngine

    progress = Progress()
    try:
        engine = StageEngine.open(profile, progress)
    finally:
        progress.done()
    with engine:
        yield engine


def _announce_download(engine: StageEngine, stages: Sequence[str]) -> None:
    """How much has to be downloaded before anything can be read."""
    if lacking := engine.store.lacking(stages):
        named = f"{count(len(stages), 'stage')} ({', '.join(stages)})"
        say(f"{named}: {quantity(lacking, 'bytes')} to download first")


def _announce(engine: StageEngine, blame: Blame) -> None:
    """What it takes: how many stages, how many of them at once, and how much memory."""
    names, held = blame.stages, len(blame.groups[0])
    at_once = "all at once" if held == len(names) else f"{held} at a time"
    need = max(engine.store.needed(group).total for group in blame.groups)
    room = engine.store.room
    free = "" if room is None else f" of {room / GB:.1f} GB that are free"
    say(
        f"{count(len(names), 'stage')} ({', '.join(names)}), {at_once}:"
        f" about {need / GB:.1f} GB{free}"
    )


def _print(blame: Blame, engine: StageEngine, settings: Settings, sources: Sources) -> None:
    form, out = FORMS[settings.form], settings.out
    if settings.strongest is not None:
        form = functools.partial(blame_output.strongest, settings.strongest)
    styles = Styles(wants_colour("never" if out and settings.color == "auto" else settings.color))
    paged = out is None and settings.form == "" and settings.pager and sys.stdout.isatty()
    line = LiveLine(live=not paged)
    documents = _documents(blame, line)
    pieces = form(blame, documents, styles, functools.partial(_header, engine, blame))
    if paged:
        show_in_pager(pieces, colour=styles.colour)
    elif out is not None:
        write_pieces(out, pieces)
    else:
        for piece in pieces:
            line.clear()
            _put(settings.form, piece)
    line.clear()


def _documents(blame: Blame, line: LiveLine) -> Iterator[DocumentBlame]:
    """The documents, as they come; progress and notices are said meanwhile."""
    for event in blame:
        match event:
            case DocumentBlame():
                yield event
            case Reading(source, stages, done, total):
                if line.is_due:
                    name = visible(source, newlines=False)
                    line.draw(f"{', '.join(stages)}: {done:,} of {total:,} tokens of {name}")
            case Noticed(sentence):
                line.clear()
                say(f"note: {sentence}")
            case _:
                pass


def _header(engine: StageEngine, blame: Blame) -> dict[str, Any]:
    """Which stages these are, as precisely as they can be named."""
    infos = {name: asdict(info) for name, info in engine.infos.items()}
    return {
        "profile": engine.profile.name,
        "time": engine.time,
        "device": engine.device_name,
        "versions": engine.versions,
        "stages": [{"name": name, **infos.get(name, {})} for name in blame.stages],
    }


def _put(form: str, piece: str) -> None:
    if form in ("--jsonl", "--json"):
        for line in piece.removesuffix("\n").split("\n"):
            put_json(line)
    elif form in ("--csv", "--html"):
        put(piece)
    else:
        put_safe(piece)

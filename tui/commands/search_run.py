"""Runs `search`: opens the pair, measures the prompts, prints the best, opens one in the chat."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.search import Search, SearchSettings, by_line, header
from logit_amp_chat.core.experiments.search_hit import hit_records
from logit_amp_chat.core.experiments.search_results import Order, SearchFile
from logit_amp_chat.core.experiments.sources import Source, Sources
from logit_amp_chat.core.number_format import count, duration, nats
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.writer import Transcript, default_folder
from logit_amp_chat.tui.commands import engine, search_output
from logit_amp_chat.tui.commands.output import put_json, put_safe, say
from logit_amp_chat.tui.commands.reading_progress import LiveLine
from logit_amp_chat.tui.commands.sources import open_sources, say_refused, use_vocabulary
from logit_amp_chat.tui.commands.styles import Styles, When, wants_colour

if TYPE_CHECKING:
    from logit_amp_chat.core.api.open_pair import OpenPair
    from logit_amp_chat.core.config.profile import Profile

REFUSED, CANCELLED = 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command was asked for."""

    search: SearchSettings
    lines: bool
    by: Order
    top: int
    out: Path | None
    as_json: bool
    open_hit: int | None
    color: When


def run(profile: Profile, paths: Sequence[str], settings: Settings) -> int:
    """Print the best of the prompts that `paths` name; the exit code. Raises LogitAmpError."""
    if settings.open_hit is not None:
        from logit_amp_chat.tui.terminal.capabilities import check_terminal

        check_terminal(instead="Leave out --open to print the results alone.")
    # All chats are wanted, those too that have no message of an assistant.
    sources = open_sources(paths, "all")
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(engine.open_pair(profile))
        use_vocabulary(sources, pair)
        file = None
        if settings.out is not None:
            file = SearchFile(settings.out, header(pair.session, settings.search))
            stack.callback(file.close)
        texts: Iterable[Source] = by_line(sources) if settings.lines else sources
        search = Search(
            pair.engine, texts, settings.search, top=settings.top, by=settings.by, file=file
        )
        with pair.interruptible(search.stop):
            _measure(search, sources, file)
        _print(search, settings)
        code = CANCELLED if search.cancelled else REFUSED if search.refused else 0
        if settings.open_hit is None or search.cancelled:
            return code
        time = file.time if file else pair.session.time
        saved = _saved_hit(pair, search, settings, time)
    return _open(profile, saved)


def _measure(search: Search, sources: Sources, file: SearchFile | None) -> None:
    line, begun = LiveLine(live=True), search.found
    if file and begun:
        say(f"{visible(str(file.path), newlines=False)} has {count(begun, 'result')} already")
    if file and file.damaged:
        say(f"note: damaged lines in it, left out: {file.damaged:,}")
    for _ in search:
        if line.is_due:
            share = sources.position / max(1, sources.size)
            done = search.found - begun
            best = search.best[0].value(search.by) if search.found else 0.0
            line.draw(
                f"{share:4.0%}  {count(done, 'prompt')}, {done / line.seconds:.1f}/s"
                f"{line.left(share)}  best {search.by} {nats(best)}"
            )
    line.clear()
    known = f", {search.known:,} were known" if search.known else ""
    say(f"{count(search.found - begun, 'prompt')} measured in {duration(line.seconds)}{known}")
    say_refused(search.refused)


def _print(search: Search, settings: Settings) -> None:
    if settings.as_json:
        for text in search_output.as_json(search).split("\n"):
            put_json(text)
    elif search.found:
        put_safe(search_output.as_text(search, Styles(wants_colour(settings.color))))
    if search.cancelled:
        kept = f" Run it again with --out {settings.out} to go on." if settings.out else ""
        say(f"Stopped by you: these are the best of {count(search.found, 'prompt')}.{kept}")


def _saved_hit(pair: OpenPair, search: Search, settings: Settings, time: str) -> Path:
    """A hit as a saved chat. Raises LogitAmpError."""
    assert settings.open_hit is not None
    if settings.open_hit > len(search.best):
        raise UsageError(f"There is no hit {settings.open_hit}.", f"There are {len(search.best)}.")
    hit = search.best[settings.open_hit - 1]
    records = list(hit_records(pair.engine, hit, settings.search, time))
    transcript = Transcript.create(default_folder())
    for record in records:
        transcript.append(record)
    transcript.close()
    return transcript.path


def _open(profile: Profile, saved: Path) -> int:
    from logit_amp_chat.tui.app import run_chat

    return run_chat(profile, transcripts=saved.parent, resume=saved)

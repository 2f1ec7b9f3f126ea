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
from logit_amp_chat.core.experiments.sources import Refused, Source, Sources
from logit_amp_chat.core.number_format import count, duration, nats
from logit_amp_chat.core.records import Title
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.core.transcripts.writer import Transcript, default_folder
from logit_amp_chat.tui.commands import connection, engine, search_output
from logit_amp_chat.tui.commands.output import put_json, put_safe, say
from logit_amp_chat.tui.commands.reading_progress import LiveLine
from logit_amp_chat.tui.commands.sources import open_sources, say_refused, use_vocabulary
from logit_amp_chat.tui.commands.styles import Styles, When, wants_colour

if TYPE_CHECKING:
    from logit_amp_chat.core.api.connect import Server
    from logit_amp_chat.core.api.open_pair import OpenPair
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.transcripts.mirror import Mirror

REFUSED, CANCELLED = 2, 130
TITLE = 100
"""Characters of a saved hit's title."""


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
    save: int
    color: When


def run(
    profile: Profile,
    paths: Sequence[str],
    settings: Settings,
    mirror: Mirror | None = None,
    server: Server | None = None,
) -> int:
    """Print the best of the prompts that `paths` name; the exit code. Raises LogitAmpError."""
    if settings.open_hit is not None:
        from logit_amp_chat.tui.terminal.capabilities import check_terminal

        check_terminal(instead="Leave out --open to print the results alone.")
    # All chats are wanted, those too that have no message of an assistant.
    sources = open_sources(paths, "all")
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(engine.open_pair(profile, server=server))
        use_vocabulary(sources, pair)
        file = None
        if settings.out is not None:
            file = SearchFile(settings.out, header(pair.session, settings.search))
            stack.callback(file.close)
        texts: Iterable[Source | Refused] = by_line(sources) if settings.lines else sources
        search = Search(
            pair.engine, texts, settings.search, top=settings.top, by=settings.by, file=file
        )
        with pair.interruptible(search.stop):
            _measure(search, sources, file)
        _print(search, settings)
        code = CANCELLED if search.cancelled else REFUSED if search.refused else 0
        if search.cancelled:
            return code
        saver = _Saver(pair, search, settings, file.time if file else pair.session.time)
        for rank in range(1, min(settings.save, len(search.best)) + 1):
            saver.save(rank)
        saver.tell()
        if settings.open_hit is None:
            return code
        saved = saver.hit(settings.open_hit)
    from logit_amp_chat.tui.app import run_chat

    make_engine = connection.chat_engine(server)
    return run_chat(
        profile,
        transcripts=saved.parent,
        resume=saved,
        make_engine=make_engine,
        mirror=mirror,
    )


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
        unsaved = " No hit was saved or opened." if settings.save or settings.open_hit else ""
        say(
            f"Stopped by you: these are the best of {count(search.found, 'prompt')}.{unsaved}{kept}"
        )


class _Saver:
    """Saves hits as chats, among the user's others; each once."""

    def __init__(self, pair: OpenPair, search: Search, settings: Settings, time: str) -> None:
        self._pair = pair
        self._search = search
        self._settings = settings
        self._time = time
        self._saved: dict[int, Path] = {}

    def save(self, rank: int) -> None:
        """Save the hit of this rank; one that is no chat is named. Raises LogitAmpError."""
        try:
            self.hit(rank)
        except UsageError as error:
            say(f"not saved: hit {rank}: {error}")

    def hit(self, rank: int) -> Path:
        """The saved chat of a hit. Raises LogitAmpError, UsageError where there is none."""
        best = self._search.best
        if rank > len(best):
            raise UsageError(f"There is no hit {rank}.", f"There are {len(best)}.")
        if rank not in self._saved:
            result, by = best[rank - 1], self._search.by
            records = hit_records(self._pair.engine, result, self._settings.search, self._time)
            title = Title(text=f"hit {rank}, {by} {nats(result.value(by))}: {result.text}"[:TITLE])
            saved = [*records, title]  # before there is a file: it may be refused
            with contextlib.closing(Transcript.create(default_folder())) as transcript:
                for record in saved:
                    transcript.append(record)
            self._saved[rank] = transcript.path
        return self._saved[rank]

    def tell(self) -> None:
        """Say how many were saved, and where."""
        if self._saved:
            folder = visible(short_path(default_folder()), newlines=False)
            say(f"{count(len(self._saved), 'hit')} saved as chats in {folder}: F9 in the chat")

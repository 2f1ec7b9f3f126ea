"""`logit-amp-chat reply`: answers for scripts and pipes, through the Python interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from logit_amp_chat.core.api.open_pair import OpenPair
from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.protocol import Lane, Noticed, Request
from logit_amp_chat.core.records import Change, Finish, Record, Reply, Session, Step
from logit_amp_chat.core.transcripts import reply_endings
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.core.transcripts.lane_text import LaneText
from logit_amp_chat.tui.commands.output import Progress, put, put_json, say, think

if TYPE_CHECKING:
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.tui.commands.engine import Opener

CANCELLED = 130


def run(profile: Profile, request: Request, open_engine: Opener, *, jsonl: bool) -> int:
    """Answer a request on stdout; returns the exit code. Raises LogitAmpError."""
    progress = Progress()
    try:
        engine = open_engine(profile, progress)
    finally:
        progress.done()
    with OpenPair(profile, engine) as pair:
        return answer(pair, request, jsonl=jsonl)


def answer(pair: OpenPair, request: Request, *, jsonl: bool) -> int:
    """The same with a pair that is open."""
    for notice in pair.notices:
        say(f"note: {notice}")
    output: _Lines | _Plain = _Lines() if jsonl else _Plain(request.lanes)
    output.take(pair.session)
    for message in request.messages:
        output.take(message)
    ended: list[Finish] = []
    try:
        with pair.interruptible():
            for event in pair.events(request):
                match event:
                    case Noticed(sentence):
                        say(f"note: {sentence}")
                    case Session() | Reply() | Step() | Change() | Finish():
                        output.take(event)
                if isinstance(event, Finish):
                    ended.append(event)
    finally:
        output.close()
    return _exit_code(request.lanes, ended)


def _exit_code(lanes: Sequence[Lane], ended: Sequence[Finish]) -> int:
    """Say how each lane ended, unless by itself."""
    named = {lane.reply: reply_title(lane) for lane in lanes}
    for finish in ended:
        if ending := reply_endings.phrase(finish):
            say(f"{named[finish.reply]}: {ending}")
    missing = named.keys() - {finish.reply for finish in ended}
    for reply, name in named.items():
        if reply in missing:
            say(f"{name}: not begun")
    if missing:
        return CANCELLED
    reasons = {finish.reason for finish in ended}
    return CANCELLED if "cancelled" in reasons else 1 if "error" in reasons else 0


class _Lines:
    """Every record as a line of JSON: a transcript."""

    def take(self, record: Record) -> None:
        """Print a record."""
        put_json(to_line(record))

    def close(self) -> None:
        """Nothing is left to print."""


class _Plain:
    """The text alone. Of several lanes the first that is not finished streams, the others wait.

    Thinking goes to stderr, so that a pipe gets the answer.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._waiting = list(lanes)
        self._labelled = len(lanes) > 1
        self._texts: dict[str, LaneText] = {}
        self._stops: tuple[str, ...] = ()
        self._open = False

    def take(self, record: Record) -> None:
        """Print what this record adds, when its turn has come."""
        match record:
            case Session():
                self._stops = record.next_turn
                return
            case Reply():
                stops = () if record.raw else self._stops
                self._texts[record.id] = LaneText(record, stops)
            case Step():
                self._texts[record.reply].add(record)
            case Finish():
                self._texts[record.reply].finish(record.stop)
            case _:
                return
        self._print()

    def _print(self) -> None:
        while self._waiting and (text := self._texts.get(self._waiting[0].reply)):
            if not self._open:
                self._open = True
                if self._labelled:
                    put(f"── {reply_title(self._waiting[0])} ──\n")
            for said, is_thought in text.new():
                think(said) if is_thought else put(said)
            if not text.finished:
                return
            self._waiting.pop(0)
            self._open = False
            put("\n\n" if self._labelled and self._waiting else "\n")

    def close(self) -> None:
        """Print what waited for a lane that never ended; ends the line that a failure left open."""
        while self._waiting:
            if self._open:
                put("\n")
            self._open = False
            self._waiting.pop(0)
            self._print()
        if self._open:
            put("\n")

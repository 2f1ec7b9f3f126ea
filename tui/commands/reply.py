"""`logit-amp-chat reply`: answers for scripts and pipes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.protocol import Event, Lane, Loading, Noticed, Opened, Request, Stop
from logit_amp_chat.core.records import Change, Finish, Message, Record, Reply, Step, new_id
from logit_amp_chat.core.text import Utf8Stream
from logit_amp_chat.core.transcripts.conversation import step_bytes
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.commands.output import Progress, put, put_json, say

if TYPE_CHECKING:
    from logit_amp_chat.core.config.profile import Profile

CANCELLED = 130
TOP = 10
ENDINGS = {
    "length": "stopped at the limit of {tokens} tokens",
    "context": "stopped because the context is used up",
    "cancelled": "cancelled after {tokens} tokens",
    "error": "ended by an error: {error}",
}


class Engine(Protocol):
    """What this command needs of `logit_amp_chat.core.engine.local.Engine`."""

    opened: Opened

    def generate(self, request: Request) -> Iterator[Event]:
        """Decode every lane of a request."""

    def apply(self, command: Stop) -> None:
        """Change the request in progress."""


Opener = Callable[["Profile", Callable[[Loading], None]], Engine]


def lane_name(alpha: float) -> str:
    """What a lane at this α shows: one of the two models, or the amplified one."""
    return {-1.0: "before", 0.0: "after"}.get(alpha, "amplified")


def make_request(
    profile: Profile, prompt: str, alphas: Sequence[float], *, raw: bool, top: int
) -> Request:
    """One message, answered at every α."""
    messages: list[Message] = []
    if profile.system and not raw:
        messages.append(Message(id=new_id("m"), parent=None, role="system", text=profile.system))
    parent = messages[-1].id if messages else None
    messages.append(Message(id=new_id("m"), parent=parent, role="user", text=prompt))
    lanes = (Lane(reply=new_id("r"), name=lane_name(a), alpha=a) for a in alphas)
    return Request(
        messages=tuple(messages),
        lanes=tuple(lanes),
        sampling=profile.sampling,
        raw=raw,
        top=top,
    )


def run(profile: Profile, request: Request, open_engine: Opener, *, jsonl: bool) -> int:
    """Answer a request on stdout; returns the exit code. Raises LogitAmpError."""
    progress = Progress()
    try:
        engine = open_engine(profile, progress)
    finally:
        progress.done()
    for notice in engine.opened.notices:
        say(f"note: {notice}")
    output: _Lines | _Plain = _Lines() if jsonl else _Plain(request.lanes)
    output.take(engine.opened.session)
    for message in request.messages:
        output.take(message)
    ended: list[Finish] = []
    try:
        with _interruptible(engine):
            for event in engine.generate(request):
                match event:
                    case Noticed(sentence):
                        say(f"note: {sentence}")
                    case Reply() | Step() | Change() | Finish():
                        output.take(event)
                if isinstance(event, Finish):
                    ended.append(event)
    finally:
        output.close()
    return _exit_code(request.lanes, ended)


def _exit_code(lanes: Sequence[Lane], ended: Sequence[Finish]) -> int:
    """Say how each lane ended, unless by itself."""
    alphas = {lane.reply: lane.alpha for lane in lanes}
    for finish in ended:
        if finish.reason in ENDINGS:
            ending = ENDINGS[finish.reason].format(tokens=finish.tokens, error=finish.error)
            say(f"α {signed(alphas[finish.reply])}: {ending}")
    reasons = {finish.reason for finish in ended}
    return CANCELLED if "cancelled" in reasons else 1 if "error" in reasons else 0


@contextlib.contextmanager
def _interruptible(engine: Engine) -> Iterator[None]:
    """The first ctrl+c ends every lane properly, the second ends the command."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        engine.apply(Stop())

    old = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)


class _Lines:
    """Every record as a line of JSON: a transcript."""

    def take(self, record: Record) -> None:
        """Print a record."""
        put_json(to_line(record))

    def close(self) -> None:
        """Nothing is left to print."""


class _Plain:
    """The text alone. Of several lanes the first that is not finished streams, the others wait."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._waiting = list(lanes)
        self._labelled = len(lanes) > 1
        self._streams = {lane.reply: Utf8Stream() for lane in lanes}
        self._texts = {lane.reply: "" for lane in lanes}
        self._finished: set[str] = set()
        self._open = False

    def take(self, record: Record) -> None:
        """Print what this record adds, when its turn has come."""
        match record:
            case Step() if not record.special:
                self._texts[record.reply] += self._streams[record.reply].feed(step_bytes(record))
            case Finish():
                self._texts[record.reply] += self._streams[record.reply].finish()
                self._finished.add(record.reply)
            case _:
                return
        self._print()

    def _print(self) -> None:
        while self._waiting:
            lane = self._waiting[0]
            if not self._open:
                self._open = True
                if self._labelled:
                    name = "" if lane.name == "amplified" else f" · {lane.name}"
                    put(f"── α {signed(lane.alpha)}{name} ──\n")
            if text := self._texts[lane.reply]:
                put(text)
                self._texts[lane.reply] = ""
            if lane.reply not in self._finished:
                return
            self._waiting.pop(0)
            self._open = False
            put("\n\n" if self._labelled and self._waiting else "\n")

    def close(self) -> None:
        """End the line that a failure left open."""
        if self._open:
            put("\n")

"""The engine of a pair on another machine, behind `logit-amp-chat serve`.

A connection that is lost is made again, and the answer goes on after the last event that came:
nothing is lost and nothing comes twice. This end never imports torch.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from logit_amp_chat.core.config.profile import Profile, recorded_profile
from logit_amp_chat.core.engine import wire
from logit_amp_chat.core.engine.answer_check import AnswerCheck
from logit_amp_chat.core.engine.asking import ask
from logit_amp_chat.core.engine.connection import Connection, LostError
from logit_amp_chat.core.errors import EngineError, LogitAmpError, failure, first_line
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import (
    Adjustment,
    AnyRequest,
    Command,
    Event,
    Failed,
    Forget,
    Heartbeat,
    Idle,
    Loading,
    Opened,
    Request,
    ScoreRequest,
)
from logit_amp_chat.core.reading import NamesRequest, ReadRequest, StageReadRequest
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.text import visible

PING_SECONDS = 5.0
LOST_SECONDS = 240.0
"""How long a lost connection is tried again; a server keeps an answer somewhat longer."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)

T = TypeVar("T")


class Asked:
    """A request with its handle; `begun` once the server has it, `over` when it is done with."""

    def __init__(self, request: AnyRequest, *, fresh: bool) -> None:
        self.request = request
        self.fresh = fresh
        self.handle = secrets.token_hex(16)
        self.begun = threading.Event()
        self.over = False


class RemoteEngine:
    """An `Engine` over HTTP; a change takes effect when it has arrived there."""

    def __init__(self, connection: Connection, lost_seconds: float = LOST_SECONDS) -> None:
        self.opened: Opened
        self.latency = math.inf
        """Seconds to the server and back; infinite while it cannot be reached."""
        self._connection = connection
        self._lost_seconds = lost_seconds
        self._asked: Asked | None = None
        self._fresh = True
        self._closed = threading.Event()
        self._outbox: SimpleQueue[tuple[Asked, Adjustment]] = SimpleQueue()

    @classmethod
    def open(cls, connection: Connection) -> RemoteEngine:
        """Connect. Raises LogitAmpError."""
        engine = cls(connection)
        try:
            engine.latency = connection.ping()
            engine.opened = connection.opened()
        except LostError as error:
            raise EngineError(
                f"{connection.url} cannot be reached: {visible(str(error), newlines=False)[:200]}.",
                "Check that the server runs there, and that its port is forwarded.",
            ) from error
        threading.Thread(target=engine._send, name="remote-sender", daemon=True).start()
        return engine

    def generate(self, request: Request) -> Iterator[Event]:
        """Decode every lane. Raises LogitAmpError; EngineError if the server is gone."""
        return self._ask(request)

    def score(self, request: ScoreRequest) -> Iterator[Event]:
        """Measure given tokens. Raises as `generate` does."""
        return self._ask(request)

    def openings(self, request: OpeningsRequest) -> Iterator[Event]:
        """Measure the next token. Raises as `generate` does."""
        return self._ask(request)

    def read(self, request: ReadRequest) -> Iterator[Event]:
        """Measure a text. Raises as `generate` does."""
        return self._ask(request)

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        """Measure a text under stages of a chain. Raises as `generate` does."""
        return self._ask(request)

    def prompt(self, request: PromptRequest) -> Iterator[Event]:
        """Render a prompt. Raises as `generate` does."""
        return self._ask(request)

    def names(self, request: NamesRequest) -> Iterator[Event]:
        """How token ids are written. Raises as `generate` does."""
        return self._ask(request)

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        """Sample many replies at once. Raises as `generate` does."""
        return self._ask(request)

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        """Measure replies that are there. Raises as `generate` does."""
        return self._ask(request)

    def apply(self, command: Adjustment) -> None:
        """Send a command without waiting; Forget is for the next request."""
        if isinstance(command, Forget):
            self._fresh = True
        elif self._asked is not None:
            self._outbox.put((self._asked, command))

    def close(self) -> None:
        """End the request in progress, and the connection; the server goes on."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._asked is not None and not self._asked.over and math.isfinite(self.latency):
            with contextlib.suppress(LostError, LogitAmpError):
                self._connection.end(self._asked.handle)
        self._connection.close()

    # --- asking ------------------------------------------------------------------

    def _ask(self, request: AnyRequest) -> Iterator[Event]:
        """Commands from now on are for this request, even before it has begun."""
        self._asked = asked = Asked(request, fresh=self._fresh)
        self._fresh = False
        return self._answer(asked)

    def _answer(self, asked: Asked) -> Iterator[Event]:
        check = AnswerCheck(asked.request)
        refusal: Failed | None = None
        try:
            line = wire.to_line(asked.request)
            self._again(lambda: self._begin(asked, line))
            asked.begun.set()
            for event in self._events(asked):
                check.check(event)
                if isinstance(event, Failed):
                    refusal = event
                elif refusal is None or isinstance(event, Heartbeat):
                    yield event
        finally:
            asked.over = True
            asked.begun.set()
            if not self._closed.is_set() and math.isfinite(self.latency):
                with contextlib.suppress(LostError, LogitAmpError):
                    self._connection.end(asked.handle)
        if refusal is not None:
            message, remedy = (visible(text)[:500] for text in (refusal.message, refusal.remedy))
            raise failure(message, remedy, refusal.exit_code)

    def _begin(self, asked: Asked, line: bytes) -> None:
        session = self.opened.session.id
        self._connection.ask(asked.handle, line, session, fresh=asked.fresh)

    def _events(self, asked: Asked) -> Iterator[Event]:
        """The events in order, each once, over as many connections as it takes."""
        last = 0
        while True:
            lost: LostError | None = None
            try:
                for number, event in self._connection.events(asked.handle, last):
                    if number == 0 and isinstance(event, Heartbeat):
                        yield event
                        continue
                    if number != last + 1:
                        raise EngineError("The server sent events out of order.")
                    last = number
                    yield event
                    if isinstance(event, Idle) or (isinstance(event, Failed) and event.fatal):
                        return
            except LostError as error:
                lost = error
            if lost is not None:
                self.latency = self._again(self._connection.ping)

    def _again(self, act: Callable[[], T]) -> T:
        """Do something, again and again while the connection is lost. Raises EngineError."""
        began = time.monotonic()
        tries = 0
        while True:
            if self._closed.is_set():
                raise EngineError("The connection was closed.")
            try:
                done = act()
            except LostError as error:
                if str(error) != "busy":
                    self.latency = math.inf
                if time.monotonic() - began > self._lost_seconds:
                    raise EngineError(
                        f"{self._connection.url} could not be reached for"
                        f" {self._lost_seconds:.0f} s.",
                        "Everything shown is saved. Connect again (in the chat: ctrl+l).",
                    ) from error
                self._closed.wait(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
            else:
                return done

    # --- on a thread of its own ---------------------------------------------------

    def _send(self) -> None:
        """Send commands in their order; in between, measure how far away the server is."""
        while not self._closed.is_set():
            with contextlib.suppress(LogitAmpError):
                try:
                    asked, command = self._outbox.get(timeout=PING_SECONDS)
                except Empty:
                    self._measure()
                else:
                    asked.begun.wait()
                    self._command(asked, wire.to_line(command))

    def _command(self, asked: Asked, line: bytes) -> None:
        if not asked.over:
            self._again(lambda: self._connection.command(asked.handle, line))

    def _measure(self) -> None:
        try:
            self.latency = self._connection.ping()
        except LostError:
            self.latency = math.inf


class RemoteClient:
    """The engine of a chat on another machine; `on_events` is called on a thread of its own.

    Has the interface of `EngineProcess`.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        on_events: Callable[[Sequence[Event]], None],
    ) -> None:
        self._connect = connect
        self._on_events = on_events
        self._engine: RemoteEngine | None = None
        self._closed = False
        self._answers: SimpleQueue[Iterator[Event] | None] = SimpleQueue()

    def open(self, profile: Profile) -> None:
        """Connect; reports Opened or Failed. Only the server's own pair can be opened."""
        threading.Thread(
            target=self._run, args=(profile,), name="remote-reader", daemon=True
        ).start()

    def send(self, command: Command) -> None:
        """Hand over a command; does nothing without a connection."""
        engine = self._engine
        if engine is None:
            return
        if isinstance(command, AnyRequest):
            self._answers.put(ask(engine, command))
        else:
            engine.apply(command)

    def close(self) -> None:
        """End the connection, and the request in progress."""
        self._closed = True
        engine, self._engine = self._engine, None
        self._answers.put(None)
        if engine is not None:
            engine.close()

    def status(self) -> None:
        """Nothing is known of a process on another machine."""
        return

    def latency(self) -> float | None:
        """Seconds to the server and back; infinite while it cannot be reached."""
        return None if self._engine is None else self._engine.latency

    def _run(self, profile: Profile) -> None:
        try:
            self._answer_all(self._connected(profile))
        except LogitAmpError as error:
            self._report(error, fatal=True)
        except Exception as error:  # any error: the chat must be told, unless it has left
            if not self._closed:
                what = f"The connection failed: {type(error).__name__}: {first_line(error)}"
                self._report(EngineError(visible(what, newlines=False)), fatal=True)

    def _connected(self, profile: Profile) -> RemoteEngine:
        connection = self._connect()
        self._on_events([Loading(stage="start", detail=connection.url, done=0, total=None)])
        engine = RemoteEngine.open(connection)
        check_pair(engine, profile, connection.url)
        self._engine = engine
        if self._closed:
            engine.close()
        return engine

    def _answer_all(self, engine: RemoteEngine) -> None:
        self._on_events([engine.opened])
        while (answer := self._answers.get()) is not None:
            try:
                for event in answer:
                    self._on_events([event])
            except EngineError:
                raise
            except LogitAmpError as error:
                self._report(error, fatal=False)
                self._on_events([Idle()])

    def _report(self, error: LogitAmpError, *, fatal: bool) -> None:
        failed = Failed(
            message=error.message, remedy=error.remedy, exit_code=error.exit_code, fatal=fatal
        )
        self._on_events([failed])


def remote_profile(engine: RemoteEngine) -> Profile:
    """The profile that a server has open. Raises EngineError where it is none."""
    profile = recorded_profile(engine.opened.session)
    if profile is None:
        raise EngineError(
            "The server's profile cannot be read by this version.",
            "Install the same logit-amp-chat on both machines.",
        )
    return profile


def check_pair(engine: RemoteEngine, profile: Profile, url: str) -> None:
    """Raises EngineError where the server has another pair than the profile."""
    served = remote_profile(engine)
    if (served.before, served.after) != (profile.before, profile.after):
        raise EngineError(
            f"{url} has another pair: {visible(served.title, newlines=False)[:80]}.",
            "Leave the chat and start it with the profile here, or serve that one there.",
        )

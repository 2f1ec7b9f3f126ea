"""The engine as a chat sees it: what it reports is saved first and queued second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from logit_amp_chat.core.chat.watchdog import SILENCE_SECONDS, Recovered, Stalled, Watchdog
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.process import ProcessStatus
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.protocol import Command, Event, Failed, Heartbeat
from logit_amp_chat.core.records import Change, Finish, Reply, Step
from logit_amp_chat.core.transcripts.recorder import Recorder


class Engine(Protocol):
    """What is needed of `logit_amp_chat.core.engine.process.EngineProcess`."""

    def open(self, profile: Profile) -> None:
        """Start loading the profile."""

    def send(self, command: Command) -> None:
        """Hand over a command."""

    def close(self) -> None:
        """End the process."""

    def status(self) -> ProcessStatus | None:
        """What the system says of the process."""


MakeEngine = Callable[[Callable[[Sequence[Event]], None]], Engine]


@dataclass(frozen=True)
class Unsaved:
    """The transcript could not be written: why, and what to do."""

    message: str
    remedy: str


Update = Event | Unsaved | Stalled | Recovered


class EngineLink:
    """One engine at a time, and the queue of what it reported.

    Events arrive on the engine's reader thread: there they are saved and put
    into the queue, nothing more. An engine that was replaced is not listened
    to any more.
    """

    def __init__(
        self,
        make_engine: MakeEngine,
        recorder: Recorder,
        clock: Callable[[], float] = time.monotonic,
        patience: float = SILENCE_SECONDS,
    ) -> None:
        self.watchdog = Watchdog(self._status, clock, patience)
        self.recorder = recorder
        self.queue: deque[Update] = deque()
        self._make_engine = make_engine
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._generation = 0
        self._running: dict[str, tuple[int, float]] = {}  # no finish yet: tokens, began

    def leave(self) -> None:
        """Stop listening to the engine; its replies are saved as cancelled."""
        self._generation += 1
        stalled = self.watchdog.stalled
        self._end_running("error" if stalled else "cancelled", stalled.message if stalled else None)
        self.watchdog.heard()  # the next engine begins anew

    def open(self, profile: Profile) -> None:
        """End the old engine, start a new one; takes a moment."""
        with self._lock:
            generation = self._generation
            self._close()
            self._engine = self._make_engine(partial(self._receive, generation))
            self._engine.open(profile)

    def send(self, command: Command) -> None:
        """Hand over a command; without an engine nothing happens."""
        if self._engine is not None:
            self._engine.send(command)

    def close(self) -> None:
        """End the engine; closing twice, or from two threads, is fine."""
        self._generation += 1
        with self._lock:
            self._close()
            self._end_running("cancelled", None)

    def _status(self) -> ProcessStatus | None:
        return self._engine.status() if self._engine is not None else None

    def _close(self) -> None:
        old, self._engine = self._engine, None
        if old is not None:
            old.close()

    def _receive(self, generation: int, events: Sequence[Event]) -> None:
        if generation != self._generation:
            return
        self.watchdog.heard()
        for event in events:
            match event:
                case Heartbeat():
                    continue
                case Reply():
                    self._running[event.id] = 0, time.monotonic()
                    self.recorder.append(event)
                case Step():
                    _, began = self._running.get(event.reply, (0, time.monotonic()))
                    self._running[event.reply] = event.index + 1, began
                    self.recorder.append(event)
                case Finish():
                    self._running.pop(event.reply, None)
                    self.recorder.append(event)
                case Change():
                    self.recorder.append(event)
                case Failed():
                    self._end_running("error", event.message)
            self.queue.append(event)
            if isinstance(event, Failed) and event.fatal:
                self._generation += 1  # that it then ends is no news
                return

    def _end_running(self, reason: Literal["cancelled", "error"], error: str | None) -> None:
        """Give every reply that lost its engine a finish."""
        running, self._running = self._running, {}
        for reply, (tokens, began) in running.items():
            seconds = round(time.monotonic() - began, 3)
            finish = Finish(reply=reply, reason=reason, tokens=tokens, seconds=seconds, error=error)
            self.recorder.append(finish)
            self.queue.append(finish)

    def unsaved(self, error: TranscriptError) -> None:
        """The recorder is in trouble: queue that too."""
        self.queue.append(Unsaved(error.message, error.remedy))

"""The engine as a chat sees it: what it reports is saved first, then queued."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from logit_amp_chat.core.chat.watchdog import SILENCE_SECONDS, Recovered, Stalled, Watchdog
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.process import ProcessStatus
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.protocol import Command, Event, Failed, Heartbeat
from logit_amp_chat.core.reading import ReadBlock
from logit_amp_chat.core.records import Change, Document, Finish, Opening, Reply, Session, Step
from logit_amp_chat.core.samples import PromptRead, Rescored, SampledReply, SampleProgress
from logit_amp_chat.core.transcripts.mirror import Mirrored, Unmirrored
from logit_amp_chat.core.transcripts.recorder import Recorder


class EngineClient(Protocol):
    """What a chat needs of `logit_amp_chat.core.engine.process.EngineProcess`."""

    def open(self, profile: Profile) -> None:
        """Start loading the profile."""

    def send(self, command: Command) -> None:
        """Hand over a command."""

    def close(self) -> None:
        """End the process."""

    def status(self) -> ProcessStatus | None:
        """What the operating system reports of the process; None once it has ended."""

    def latency(self) -> float | None:
        """Seconds to the engine's machine and back, infinite while it cannot be reached.

        None where it is this one.
        """


MakeEngine = Callable[[Callable[[Sequence[Event]], None]], EngineClient]


@dataclass(frozen=True)
class Unsaved:
    """The transcript could not be written: why, and what to do."""

    message: str
    remedy: str


Update = Event | Unsaved | Stalled | Recovered | Unmirrored | Mirrored


class EngineLink:
    """One engine at a time, and the queue of what it reported.

    Events arrive on the engine's reader thread, which only saves them and puts
    them into the queue. An engine that was replaced is ignored.
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
        self._engine: EngineClient | None = None
        self._lock = threading.Lock()
        self._generation = 0
        self._unfinished: dict[str, tuple[int, float]] = {}  # replies: tokens so far, began
        self._apart: dict[str, Recorder] = {}  # by id, what is saved on its own
        self._passed_on = ""  # the id of a text that is not saved: what comes of it is
        self._save_sample: Callable[[Event], None] = lambda _: None

    def disconnect(self) -> None:
        """Ignore the engine from now on; its replies are saved as cancelled."""
        self._generation += 1
        stalled = self.watchdog.stalled
        self._finish_all("error" if stalled else "cancelled", stalled.message if stalled else None)
        self.watchdog.heard()  # the next engine's silence counts from zero

    def open(self, profile: Profile) -> None:
        """End the old engine and start a new one; takes a moment."""
        with self._lock:
            generation = self._generation
            self._close()
            self._engine = self._make_engine(partial(self._receive, generation))
            self._engine.open(profile)

    def save_apart(self, ids: Iterable[str], recorder: Recorder) -> None:
        """Save what is reported of documents or replies with `recorder`, not in the chat."""
        self._apart |= dict.fromkeys(ids, recorder)

    def pass_on(self, document: str) -> None:
        """Save nothing of a text that is read: whoever asked keeps what comes of it."""
        self._passed_on = document

    def save_samples(self, save: Callable[[Event], None]) -> None:
        """Have what is sampled for a sweep saved by `save`, on the engine's reader thread."""
        self._save_sample = save

    @property
    def latency(self) -> float | None:
        """How far away the engine is: see `EngineClient`; None without one."""
        return self._engine.latency() if self._engine is not None else None

    def send(self, command: Command) -> None:
        """Send a command; does nothing without an engine."""
        if self._engine is not None:
            self._engine.send(command)

    def close(self) -> None:
        """End the engine; may be called twice, and from two threads."""
        self._generation += 1
        with self._lock:
            self._close()
            self._finish_all("cancelled", None)

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
                case Document(id=name) | Finish(reply=name) if name == self._passed_on:
                    pass
                case PromptRead() | SampledReply() | SampleProgress() | Rescored():
                    self._save_sample(event)
                case Reply():
                    self._unfinished[event.id] = 0, time.monotonic()
                    self._recorder_of(event.id).append(event)
                case Document():
                    self._unfinished[event.id] = 0, time.monotonic()
                    self._recorder_of(event.id).append(event)
                    self._recorder_of(event.id).begin()
                case Step():
                    self._save_step(event)
                case ReadBlock():
                    for step in event.steps:
                        self._save_step(step)
                case Finish():
                    self._unfinished.pop(event.reply, None)
                    self._recorder_of(event.reply).append(event)
                case Change() | Opening() | Session():
                    self.recorder.append(event)
                case Failed():
                    self._finish_all("error", event.message)
            self.queue.append(event)
            if isinstance(event, Failed) and event.fatal:
                self._generation += 1  # its end is no further news
                return

    def _save_step(self, step: Step) -> None:
        _, began = self._unfinished.get(step.reply, (0, time.monotonic()))
        self._unfinished[step.reply] = step.index + 1, began
        self._recorder_of(step.reply).append(step)

    def _recorder_of(self, id: str) -> Recorder:
        return self._apart.get(id, self.recorder)

    def _finish_all(self, reason: Literal["cancelled", "error"], error: str | None) -> None:
        """Record a finish for every reply and document that lost its engine."""
        unfinished, self._unfinished = self._unfinished, {}
        for reply, (tokens, began) in unfinished.items():
            seconds = round(time.monotonic() - began, 3)
            finish = Finish(reply=reply, reason=reason, tokens=tokens, seconds=seconds, error=error)
            self._recorder_of(reply).append(finish)
            self.queue.append(finish)
        self._apart = {}

    def report_unsaved(self, error: TranscriptError) -> None:
        """Queue that the recorder could not write."""
        self.queue.append(Unsaved(error.message, error.remedy))

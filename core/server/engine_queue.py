"""One engine, many clients: requests are answered one after the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

from logit_amp_chat.core.engine.asking import ask
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import EngineError, LogitAmpError, first_line
from logit_amp_chat.core.protocol import Adjustment, AnyRequest, Event, Failed, Forget, Idle, Stop
from logit_amp_chat.core.server.event_log import EventLog
from logit_amp_chat.core.server.limits import Limits

PATIENCE_SECONDS = 0.5


class BusyError(LogitAmpError):
    """More requests wait than the server takes."""


class Job:
    """Requests of one client that are answered in a row, and what comes of them.

    With `fresh`, or where the job before was another client's, it begins from empty caches:
    its numbers depend on no one else's.
    """

    def __init__(
        self, requests: Sequence[AnyRequest], log: EventLog, *, client: str = "", fresh: bool = True
    ) -> None:
        self.requests = tuple(requests)
        self.log = log
        self.client = client
        self.fresh = fresh
        self.stopped = False
        self.timed_out = False
        self._commands: deque[Adjustment] = deque()

    def apply(self, command: Adjustment) -> None:
        """Hand a command to the engine with the next event."""
        self._commands.append(command)

    def stop(self) -> None:
        """End the job: it is not begun if it waits."""
        self.stopped = True
        self.apply(Stop())

    def commands(self) -> Iterator[Adjustment]:
        """The commands that came since the last call."""
        while self._commands:
            yield self._commands.popleft()


class EngineQueue:
    """Answers jobs on a thread of its own, in the order in which they came."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self.limits = limits
        self._waiting: deque[Job] = deque()
        self._news = threading.Condition()
        self._closed = False
        self._current: Job | None = None
        self._last_client: str | None = None
        self._thread = threading.Thread(target=self._work, name="server-engine", daemon=True)
        self._thread.start()

    def submit(
        self, requests: Sequence[AnyRequest], *, client: str = "", fresh: bool = True
    ) -> Job:
        """Queue requests; call it on the event loop. Raises BusyError where too many wait."""
        log = EventLog(asyncio.get_running_loop(), self.limits.buffer)
        job = Job(requests, log, client=client, fresh=fresh)
        with self._news:
            if len(self._waiting) >= self.limits.waiting or self._closed:
                raise BusyError("The server is busy.", "Try again in a few seconds.")
            self._waiting.append(job)
            self._news.notify()
        return job

    def end(self) -> None:
        """End what runs and what waits, and take nothing more; does not wait for it."""
        with self._news:
            self._closed = True
            for job in (*self._waiting, *filter(None, [self._current])):
                job.stop()
            self._news.notify()

    def close(self) -> None:
        """The same, and wait for it; the engine is not closed."""
        self.end()
        self._thread.join(5.0)

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._closed)
                if self._closed and not self._waiting:
                    return
                self._current = job = self._waiting.popleft()
            try:
                self._answer(job)
            finally:
                with self._news:
                    self._current = None
                job.log.end()

    def _answer(self, job: Job) -> None:
        if job.stopped or job.log.unread_for() > self.limits.linger:
            job.log.append(Idle())
            return
        if job.fresh or job.client != self._last_client:
            self.engine.apply(Forget())
        self._last_client = job.client
        deadline = time.monotonic() + self.limits.seconds
        try:
            for event in self._events(job):
                job.log.append(event)
                if not isinstance(event, Idle):
                    self._steer(job, deadline)
        except LogitAmpError as error:
            job.log.append(failed(error))
            job.log.append(Idle())
        except Exception as error:
            what = f"The engine failed: {type(error).__name__}: {first_line(error)}"
            job.log.append(Failed(message=what, exit_code=EngineError.exit_code, fatal=True))

    def _events(self, job: Job) -> Iterator[Event]:
        """The events of all requests, with one Idle at the end."""
        for request in job.requests:
            if job.stopped:
                break
            for event in ask(self.engine, request):
                if not isinstance(event, Idle):
                    yield event
        yield Idle()

    def _steer(self, job: Job, deadline: float) -> None:
        """Apply what the client asked, and wait for one that is behind, but not for ever."""
        while True:
            if time.monotonic() > deadline and not job.timed_out:
                job.timed_out = True
                job.stop()
            if job.log.unread_for() > self.limits.linger and not job.stopped:
                job.stop()
            for command in job.commands():
                self.engine.apply(command)
            if job.stopped or job.log.wait_for_room(PATIENCE_SECONDS):
                return


def failed(error: LogitAmpError) -> Failed:
    """An error as the event that reports it."""
    return Failed(message=error.message, remedy=error.remedy, exit_code=error.exit_code)

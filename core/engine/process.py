"""An engine in a separate process.

A decoding loop holds the GIL, importing torch takes seconds, and a CUDA fault
must cost a reload, not the conversation. This end never imports torch.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.exclusive import Exclusive
from logit_amp_chat.core.engine.process_end import death, scratch_file
from logit_amp_chat.core.errors import EngineError, failure
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import (
    Adjustment,
    AnyRequest,
    Command,
    Event,
    Failed,
    Heartbeat,
    Idle,
    Loading,
    Opened,
    Request,
    ScoreRequest,
    Stop,
)
from logit_amp_chat.core.reading import NamesRequest, ReadRequest, StageReadRequest
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest

OnEvents = Callable[[Sequence[Event]], None]
# Commands not yet sent to a process; None ends the queue.
Commands = SimpleQueue["Command | Profile | None"]

CHILD = "logit_amp_chat.core.engine.child"
CLOSE_SECONDS = 1.0
KILL_SECONDS = 0.5


@dataclass(frozen=True)
class ProcessStatus:
    """The state of a process: whether it is stopped (SIGSTOP, a debugger), and the seconds
    of CPU time that all its threads have used."""

    pid: int
    stopped: bool
    seconds: float

    @classmethod
    def of(cls, pid: int) -> ProcessStatus | None:
        """The status of a process; None if there is no such process."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        ticks = int(fields[11]) + int(fields[12])
        return cls(pid, fields[0] in "Tt", ticks / os.sysconf("SC_CLK_TCK"))


class EngineProcess:
    """An Engine behind a pipe; closing the pipe ends it.

    `on_events` is called on a reader thread, in order, once per decoding step.
    If the engine process dies, that is reported as Failed(fatal=True).
    """

    def __init__(self, on_events: OnEvents) -> None:
        self._on_events = on_events
        self._process: subprocess.Popen[bytes] | None = None
        self._commands: Commands | None = None
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether there is a process that can take commands."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        """The engine's process id."""
        return self._process.pid if self._process is not None else None

    def status(self) -> ProcessStatus | None:
        """The status of the process; None if there is none."""
        pid = self.pid
        return ProcessStatus.of(pid) if pid is not None else None

    def latency(self) -> float | None:
        """None: the engine is on this machine."""
        return None

    def open(self, profile: Profile) -> None:
        """Start the process, replacing a running one; reports Loading…, then Opened or Failed."""
        self.close()
        try:
            process, pipe, errors = _start()
        except OSError as error:  # no memory, too many files, no permission
            self._on_events([_not_started(error)])
            return
        commands: Commands = SimpleQueue()
        with self._lock:
            self._process, self._commands = process, commands
        self.send(profile)
        writer = threading.Thread(
            target=_write, args=(pipe, commands), name="engine-writer", daemon=True
        )
        writer.start()
        threading.Thread(
            target=self._read,
            args=(pipe, commands, writer, process, errors),
            name="engine-reader",
            daemon=True,
        ).start()

    def send(self, command: Command | Profile) -> None:
        """Queue a command without waiting; does nothing if the engine is gone."""
        with self._lock:
            if self._commands is not None:
                self._commands.put(command)

    def close(self) -> None:
        """End the process, even if stopped or hanging; events it has sent are still reported."""
        with self._lock:
            process, commands = self._process, self._commands
            self._process = self._commands = None
        if process is None or commands is None:
            return
        commands.put(None)
        process.terminate()
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            # Not even SIGKILL ends a driver call that never returns: leave the process behind.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(KILL_SECONDS)

    def _read(
        self,
        pipe: Connection,
        commands: Commands,
        writer: threading.Thread,
        process: subprocess.Popen[bytes],
        errors: IO[bytes],
    ) -> None:
        """Pass events on until the process is gone; only this thread reads and closes the pipe."""
        explained = False
        with pipe, errors:
            while True:
                try:
                    events = pipe.recv()
                except (EOFError, OSError):
                    break
                explained = any(isinstance(e, Failed) and e.fatal for e in events)
                self._on_events(events)
            commands.put(None)
            writer.join()  # does not hang: the other end is closed, so a write fails at once
            with self._lock:
                asked = self._commands is not commands
                if not asked:
                    self._process = self._commands = None
            if not asked:
                failed = _death(process.wait(), errors)
                if not explained:
                    self._on_events([failed])


def _start() -> tuple[subprocess.Popen[bytes], Connection, IO[bytes]]:
    """A process, the pipe to it, and what it prints to stderr. Raises OSError."""
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as failing, theirs:
        failing.enter_context(ours)
        errors = failing.enter_context(scratch_file())  # the reader thread closes it
        # A plain subprocess: multiprocessing's spawn needs a real stderr, which
        # a process running Textual does not have.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", CHILD, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(_folder, sys.path))},
        )
        failing.pop_all()
    return process, Connection(ours.detach()), errors


def _not_started(error: OSError) -> Failed:
    return Failed(
        message=f"The engine process cannot be started: {error.strerror or error}.",
        remedy="Free memory or close other programs, then reload the engine.",
        exit_code=EngineError.exit_code,
        fatal=True,
    )


def _write(pipe: Connection, commands: Commands) -> None:
    """Send queued commands, on a thread of its own: a stopped process would block the sender."""
    with contextlib.suppress(OSError, ValueError):
        while (command := commands.get()) is not None:
            pipe.send(command)


def _death(exitcode: int, errors: IO[bytes]) -> Failed:
    return Failed(
        message=death("The engine process", exitcode, errors),
        remedy="Everything shown is saved; reload the engine to continue.",
        exit_code=EngineError.exit_code,
        fatal=True,
    )


def _folder(path: str) -> str:
    """An entry of sys.path for another process; the empty one means the working directory."""
    return os.fspath(path) or str(Path.cwd())


class ProcessEngine:
    """The `Engine` in a process of its own; the caller waits for its events.

    A change takes effect a few tokens after it is made.
    """

    def __init__(self) -> None:
        self._events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        self._process = EngineProcess(self._take)
        self._opened: Opened | None = None
        self._death: Failed | None = None
        self._requests = Exclusive[Event]()
        self._asked = 0
        self._answered = 0  # counted by the reader thread, which nothing interrupts

    @classmethod
    def open(
        cls, profile: Profile, report: Callable[[Loading], None] = lambda _: None
    ) -> ProcessEngine:
        """Start a process and wait until the pair is loaded. Raises LogitAmpError."""
        engine = cls()
        try:
            engine._process.open(profile)
            while engine._opened is None:
                match engine._events.get()[1]:
                    case Loading() as loading:
                        report(loading)
                    case Opened() as opened:
                        engine._opened = opened
                    case Failed() as failed:
                        raise failure(failed.message, failed.remedy, failed.exit_code)
        except BaseException:
            engine.close()
            raise
        return engine

    @property
    def opened(self) -> Opened:
        """The opened pair."""
        assert self._opened is not None
        return self._opened

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def generate(self, request: Request) -> Iterator[Event]:
        """Decode every lane of a request. Raises LogitAmpError; EngineError if the process died."""
        return self._requests.run(self._answer(request))

    def score(self, request: ScoreRequest) -> Iterator[Event]:
        """Measure given tokens in every lane. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def openings(self, request: OpeningsRequest) -> Iterator[Event]:
        """Measure the next token. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def read(self, request: ReadRequest) -> Iterator[Event]:
        """Measure a text. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        """Measure a text under stages of a chain. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def prompt(self, request: PromptRequest) -> Iterator[Event]:
        """Render a prompt. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def names(self, request: NamesRequest) -> Iterator[Event]:
        """How token ids are written. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        """Sample many replies at once. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        """Measure replies that are there. Raises as `generate` does."""
        return self._requests.run(self._answer(request))

    def apply(self, command: Adjustment) -> None:
        """Change the request in progress."""
        self._process.send(command)

    def close(self) -> None:
        """End the process; a caller that still waits for an event gets an EngineError."""
        self._process.close()
        closed = Failed(message="The pair was closed.", exit_code=EngineError.exit_code, fatal=True)
        self._take([closed])

    def _take(self, events: Sequence[Event]) -> None:
        """Queue events with the number of the request that they belong to."""
        for event in events:
            if isinstance(event, Failed) and event.fatal:
                self._death = self._death or event
            if not isinstance(event, Heartbeat):
                self._events.put((self._answered, event))
            if isinstance(event, Idle):
                self._answered += 1

    def _answer(self, request: AnyRequest) -> Generator[Event, None, None]:
        if self._death is not None or not self._process.alive:
            raise EngineError("The engine process is gone.", "Open the pair again.")
        number, self._asked = self._asked, self._asked + 1
        self._process.send(request)
        refusal: Failed | None = None
        ended = False
        try:
            while not ended:
                answered, event = self._events.get()
                fatal = isinstance(event, Failed) and event.fatal
                if answered < number and not fatal:
                    continue  # the rest of a request that was left
                ended = fatal or isinstance(event, Idle)
                if isinstance(event, Failed):
                    refusal = event
                elif refusal is None:
                    yield event
        finally:
            if not ended:  # the caller has seen enough, or was interrupted
                self._process.send(Stop())
        if refusal is not None:
            raise failure(refusal.message, refusal.remedy, refusal.exit_code)

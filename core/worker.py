"""The same Engine in a process of its own.

A decoding loop holds the GIL, importing torch takes seconds, and a CUDA fault
must cost a reload rather than the conversation. This module is imported by
both ends; torch is imported in the child only.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from core.errors import EngineError, LogitAmpError
from core.events import Command, Event, Failed, Idle, Loading, Request
from core.profile import Profile

if TYPE_CHECKING:
    from core.engine import Engine

OnEvents = Callable[[Sequence[Event]], None]

CLOSE_SECONDS = 1.5


class EngineProcess:
    """An Engine behind a pipe; closing the pipe ends it.

    `on_events` is called on a reader thread, in order, one call for what one
    decoding step gave. An engine that dies unasked reports Failed(fatal=True).
    """

    def __init__(self, on_events: OnEvents) -> None:
        self._on_events = on_events
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether there is a process that can take commands."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """The engine's process id."""
        return self._process.pid if self._process is not None else None

    def open(self, profile: Profile) -> None:
        """Start the process, in place of one that runs; Loading…, then Opened or Failed."""
        self.close()
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(theirs, profile), daemon=True)
        process.start()
        theirs.close()
        with self._lock:
            self._process, self._pipe = process, ours
        threading.Thread(
            target=self._read, args=(ours, process), name="engine-reader", daemon=True
        ).start()

    def send(self, command: Command) -> None:
        """Hand over a command; nothing happens when the engine is gone."""
        with self._lock:
            if self._pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    self._pipe.send(command)

    def close(self) -> None:
        """End the process; it holds nothing that is not already reported."""
        with self._lock:
            process, pipe = self._process, self._pipe
            self._process = self._pipe = None
        if process is None or pipe is None:
            return
        pipe.close()
        process.terminate()
        process.join(CLOSE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()

    def _read(self, pipe: Connection, process: SpawnProcess) -> None:
        while True:
            try:
                # Also wakes when close() has run: a closed pipe cannot be waited for.
                if not wait([pipe], timeout=0.5):
                    continue
                events = pipe.recv()
            except (EOFError, OSError, ValueError, TypeError):
                break
            self._on_events(events)
        with self._lock:
            asked = self._pipe is not pipe
            if not asked:
                self._process = self._pipe = None
        if not asked:
            process.join(CLOSE_SECONDS)
            self._on_events([_death(process.exitcode)])


def _death(exitcode: int | None) -> Failed:
    how = f"with code {exitcode}"
    if exitcode is not None and exitcode < 0:
        how = f"by signal {signal.Signals(-exitcode).name}"
        if exitcode == -signal.SIGKILL:
            how += " (the machine may have run out of memory)"
    return Failed(
        message=f"The engine process was ended {how}.",
        remedy="Everything shown is saved; reload the engine to go on.",
        exit_code=EngineError.exit_code,
        fatal=True,
    )


# --- in the child ---------------------------------------------------------------


def _serve(pipe: Connection, profile: Profile) -> None:
    """Open the profile, then answer requests until the pipe closes."""
    _leave_the_terminal_alone()
    _end_with_parent()
    try:
        pipe.send([Loading(stage="start", detail="torch", done=0, total=None)])
        _keep_tqdm_local()
        from core.engine import Engine

        engine = Engine.open(profile, lambda loading: pipe.send([loading]))
        pipe.send([engine.opened])
        while True:
            command = pipe.recv()
            if isinstance(command, Request):
                _answer(engine, command, pipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except LogitAmpError as error:
        _report(pipe, error, fatal=True)
    except Exception as error:  # whatever it is, the app has to hear of it
        _report(pipe, error, fatal=True)


def _answer(engine: Engine, request: Request, pipe: Connection) -> None:
    try:
        for batch in engine.batches(request):
            pipe.send(batch)
            while pipe.poll():
                command = pipe.recv()
                if not isinstance(command, Request):
                    engine.apply(command)
    except LogitAmpError as error:
        _report(pipe, error, fatal=False)
        pipe.send([Idle()])


def _report(pipe: Connection, error: Exception, fatal: bool) -> None:
    if isinstance(error, LogitAmpError):
        failed = Failed(
            message=error.message, remedy=error.remedy, exit_code=error.exit_code, fatal=fatal
        )
    else:
        failed = Failed(
            message=f"The engine failed: {type(error).__name__}: {error}",
            remedy="Everything shown is saved; reload the engine to go on.",
            exit_code=EngineError.exit_code,
            fatal=fatal,
        )
    with contextlib.suppress(OSError):
        pipe.send([failed])


def _leave_the_terminal_alone() -> None:
    """The screen belongs to the app: keys, ctrl+c and stray prints stay away from it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _keep_tqdm_local() -> None:
    """tqdm's default lock is a named semaphore, which a killed process would leak."""
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())


def _end_with_parent() -> None:
    """A loading or decoding engine must not outlive the app, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()

"""The engine process itself: opens a profile, then answers requests."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections import deque
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.protocol import AnyRequest, Failed, Heartbeat, Idle, Loading
from logit_amp_chat.core.system.parent import end_with_parent

if TYPE_CHECKING:
    from logit_amp_chat.core.engine.opened_engine import OpenedEngine


def serve(pipe: Connection) -> None:
    """Open the profile that comes first, then answer requests until the pipe closes."""
    # The app handles ctrl+c.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(pipe)
    try:
        profile = pipe.recv()
        pipe.send([Loading(stage="start", detail="torch", done=0, total=None)])
        from logit_amp_chat.core.engine.heartbeat import LayerHeartbeat
        from logit_amp_chat.core.engine.opened_engine import open_engine

        heartbeat = LayerHeartbeat(lambda: pipe.send([Heartbeat()]))
        engine = open_engine(
            profile,
            lambda loading: pipe.send([loading]),
            lambda pair: heartbeat.attach(pair.before.model, pair.after.model),
        )
        if engine.lifeline is not None:
            engine.lifeline.beat = lambda: pipe.send([Heartbeat()])
        pipe.send([engine.opened])
        waiting: deque[AnyRequest] = deque()
        while True:
            command = waiting.popleft() if waiting else _received(engine, pipe)
            if isinstance(command, AnyRequest):
                _answer(engine, command, pipe, waiting)
            else:
                engine.apply(command)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:  # any error: the app must be told
        _report(pipe, error, fatal=True)


def _received(engine: OpenedEngine, pipe: Connection) -> Any:
    """The next command. Raises EngineError if a process that the engine needs fails meanwhile."""
    if engine.lifeline is not None:
        while pipe not in wait([pipe, engine.lifeline.fileno()]):
            engine.lifeline.check_alive()
    return pipe.recv()


def _answer(
    engine: OpenedEngine,
    request: AnyRequest,
    pipe: Connection,
    waiting: deque[AnyRequest],
) -> None:
    """Answer one request; commands between its tokens are applied, further requests wait."""
    try:
        for batch in engine.batches(request):
            if batch:
                pipe.send(batch)
            while pipe.poll():
                command = pipe.recv()
                if isinstance(command, AnyRequest):
                    waiting.append(command)
                else:
                    engine.apply(command)
    except EngineError:
        raise  # there is nothing left that could answer
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
            remedy="Everything shown is saved; reload the engine to continue.",
            exit_code=EngineError.exit_code,
            fatal=fatal,
        )
    with contextlib.suppress(OSError):
        pipe.send([failed])


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))

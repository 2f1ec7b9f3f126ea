"""The engine in a separate process: it answers, takes commands, and dies alone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine import heartbeat as pulse
from logit_amp_chat.core.engine.heartbeat import LayerHeartbeat
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import CLOSE_SECONDS, EngineProcess, ProcessStatus
from logit_amp_chat.core.protocol import (
    Event,
    Failed,
    Idle,
    Lane,
    Loading,
    Opened,
    Request,
    SetAlpha,
    Stop,
)
from logit_amp_chat.core.records import Finish, Message, Step
from logit_amp_chat.core.sampling import Sampling

WAIT = 60
FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=40)


class Listener:
    """Collects events and waits for a certain one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, events: Sequence[Event]) -> None:
        with self._changed:
            self.events.extend(events)
            self._changed.notify_all()

    def until(self, kind: type[Event], count: int = 1, seconds: float = WAIT) -> None:
        def there() -> bool:
            return sum(isinstance(e, kind) for e in self.events) >= count

        with self._changed:
            assert self._changed.wait_for(there, seconds), self.events[-5:]


Started = tuple[EngineProcess, Listener]


@pytest.fixture
def started(tiny_pair: Callable[..., Profile]) -> Iterator[Started]:
    listener = Listener()
    process = EngineProcess(listener)
    process.open(tiny_pair())
    listener.until(Opened)
    yield process, listener
    process.close()


def join_readers() -> None:
    for thread in threading.enumerate():
        if thread.name == "engine-reader":
            thread.join(WAIT)


def request(text: str = "hello", **changed: object) -> Request:
    return Request(
        messages=(Message(id="m0", parent=None, role="user", text=text),),
        lanes=(Lane(reply="r0", name="", alpha=0.0), Lane(reply="r1", name="", alpha=1.0)),
        sampling=FREE.model_copy(update=changed),
    )


def test_it_answers_as_the_engine_in_this_process_does(
    started: Started, tiny_pair: Callable[..., Profile]
) -> None:
    process, listener = started
    process.send(request())
    listener.until(Idle)
    here = [e for e in LocalEngine.open(tiny_pair()).generate(request()) if isinstance(e, Step)]
    assert [e for e in listener.events if isinstance(e, Step)] == here
    assert next(e.stage for e in listener.events if isinstance(e, Loading)) == "start"


def test_it_obeys_between_tokens_and_goes_on_after_a_refusal(started: Started) -> None:
    process, listener = started
    process.send(request("otters " * 400))
    listener.until(Idle)
    failed = next(e for e in listener.events if isinstance(e, Failed))
    assert (failed.fatal, failed.exit_code) == (False, 5)
    assert "context" in failed.message

    process.send(request(max_new_tokens=200))
    process.send(SetAlpha("r1", 3.0))
    process.send(Stop())
    listener.until(Idle, 2)
    finishes = [e for e in listener.events if isinstance(e, Finish)]
    assert {f.reason for f in finishes} <= {"cancelled", "stop"}


def test_requests_sent_at_once_are_answered_in_order(started: Started) -> None:
    process, listener = started
    for _ in range(3):
        process.send(request(max_new_tokens=3))
    listener.until(Idle, 3)
    assert sum(isinstance(e, Finish) for e in listener.events) == 6


def test_a_killed_engine_is_reported_and_can_be_opened_again(
    started: Started, tiny_pair: Callable[..., Profile]
) -> None:
    process, listener = started
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    listener.until(Failed)
    failed = listener.events[-1]
    assert isinstance(failed, Failed)
    assert failed.fatal
    assert "SIGKILL" in failed.message
    assert not process.alive
    process.open(tiny_pair())
    listener.until(Opened, 2)
    assert process.alive


def test_a_long_forward_gives_signs_of_life_and_changes_no_number(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from inside the layers, on the thread that computes."""
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.0)
    engine, beats = LocalEngine.open(tiny_pair()), list[str]()
    plain = [e for e in engine.generate(request()) if isinstance(e, Step)]
    engine = LocalEngine.open(tiny_pair())
    heart = LayerHeartbeat(lambda: beats.append(threading.current_thread().name))
    heart.attach(engine.pair.before.model, engine.pair.after.model)
    assert [e for e in engine.generate(request()) if isinstance(e, Step)] == plain
    layers = sum(
        side.model.config.num_hidden_layers for side in (engine.pair.before, engine.pair.after)
    )
    assert len(beats) >= layers * len(plain) / 2
    assert set(beats) == {threading.current_thread().name}


def test_a_stopped_engine_blocks_nobody_and_can_be_ended(started: Started) -> None:
    process, listener = started
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    status = process.status()
    assert status is not None
    assert status.stopped
    for _ in range(100):
        process.send(request("otters " * 20_000))
    began = time.monotonic()
    process.close()
    assert time.monotonic() - began < CLOSE_SECONDS
    assert ProcessStatus.of(pid) is None
    assert process.status() is None
    join_readers()
    assert not any(isinstance(e, Failed) for e in listener.events)


def test_closing_ends_the_process_and_is_no_failure(started: Started) -> None:
    process, listener = started
    pid = process.pid
    assert pid is not None
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not any(isinstance(e, Failed) for e in listener.events)
    process.send(Stop())


def test_a_pair_that_cannot_be_loaded_is_a_fatal_failure(tiny_pair: Callable[..., Profile]) -> None:
    listener = Listener()
    process = EngineProcess(listener)
    process.open(tiny_pair(before={"model": "./nowhere"}))
    listener.until(Failed)
    join_readers()
    (failed,) = (e for e in listener.events if isinstance(e, Failed))
    assert (failed.fatal, failed.exit_code) == (True, 4)
    assert failed.remedy


def test_a_process_that_cannot_be_started_is_a_fatal_failure(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    listener = Listener()
    EngineProcess(listener).open(tiny_pair())
    [failed] = listener.events
    assert isinstance(failed, Failed)
    assert (failed.fatal, failed.exit_code) == (True, 7)
    assert "cannot be started: Cannot allocate memory" in failed.message


def test_the_engine_needs_no_folder_for_temporary_files(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    listener = Listener()
    process = EngineProcess(listener)
    process.open(tiny_pair())
    listener.until(Opened)
    process.close()
    assert not any(isinstance(e, Failed) for e in listener.events)

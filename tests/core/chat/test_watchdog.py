"""An engine that is there and says nothing any more is noticed; one that is only slow is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.watchdog import Recovered, Stalled, Watchdog
from logit_amp_chat.core.engine.process import ProcessStatus
from logit_amp_chat.core.protocol import Heartbeat
from tests.tui.chat_driver import Engines, demo_profile


class Clocked:
    """A watchdog of 30 s at a clock and over a process that the test plays."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.status: ProcessStatus | None = ProcessStatus(pid=7, stopped=False, seconds=5.0)
        self.dog = Watchdog(lambda: self.status, lambda: self.now, 30.0)

    def run(
        self, seconds: float, *, cpu: float = 0.0, computing: bool = True, loading: bool = False
    ) -> list[Stalled | Recovered]:
        """Tick four times a second; `cpu` is the share of a processor that the engine uses."""
        said = []
        for _ in range(round(seconds * 4)):
            self.now += 0.25
            if self.status is not None:
                used = self.status.seconds + cpu / 4
                self.status = ProcessStatus(self.status.pid, self.status.stopped, used)
            said.append(self.dog.tick(computing=computing, loading=loading))
        return [news for news in said if news]

    def stop(self) -> None:
        self.status = ProcessStatus(pid=7, stopped=True, seconds=5.0)


def test_silence_while_a_request_is_under_way_is_said_once() -> None:
    clocked = Clocked()
    assert clocked.run(29) == []
    (said,) = clocked.run(60)
    assert isinstance(said, Stalled)
    assert "hangs: it has reported nothing for 30 s and computes nothing" in said.message
    assert "ctrl+l" in said.remedy


def test_one_that_uses_the_processor_may_hang() -> None:
    (said,) = Clocked().run(60, cpu=1.0)
    assert isinstance(said, Stalled)
    assert "may hang" in said.message
    assert "uses the processor" in said.message


def test_a_stopped_process_is_named_with_the_way_to_let_it_go_on() -> None:
    clocked = Clocked()
    clocked.stop()
    (said,) = clocked.run(60, loading=True)
    assert isinstance(said, Stalled)
    assert "was stopped" in said.message
    assert "kill -CONT 7" in said.remedy


def test_a_sign_of_life_takes_it_back_and_counts_anew() -> None:
    clocked = Clocked()
    (said,) = clocked.run(31)
    clocked.dog.heard()
    assert clocked.run(29) == [Recovered(said)]  # type: ignore[arg-type]
    assert clocked.dog.stalled is None


@pytest.mark.parametrize(("computing", "loading"), [(False, False), (False, True)])
def test_without_a_request_silence_is_nothing(computing: bool, loading: bool) -> None:
    """Idle, or in a download that stands still."""
    assert Clocked().run(3600, computing=computing, loading=loading) == []


def test_a_process_that_has_ended_is_not_called_hung() -> None:
    clocked = Clocked()
    clocked.status = None
    assert clocked.run(3600) == []


def test_time_in_which_the_app_did_not_run_does_not_count() -> None:
    """The machine slept, or the app was stopped with its engine."""
    clocked = Clocked()
    clocked.run(1)
    clocked.now += 8 * 3600
    assert clocked.run(27) == []
    clocked.dog.heard()
    assert clocked.run(1) == []


def test_a_prompt_that_takes_minutes_is_no_silence(tmp_path: Path) -> None:
    """The engine beats from inside its layers; the beat itself is nothing to show."""
    engines, now = Engines(), [0.0]
    session = ChatSession(demo_profile(), tmp_path, engines, lambda: now[0], patience=30.0)
    session.live.load()
    engines.last.load()
    session.drain()
    session.submit("a long story")
    session.drain()

    def wait(seconds: int, *, beating: bool) -> list[object]:
        said: list[object] = []
        for _ in range(seconds):
            now[0] += 1
            if beating:
                engines.last.emit([Heartbeat()])
            said += session.drain()
        return said

    assert wait(600, beating=True) == []
    (said,) = wait(40, beating=False)
    assert isinstance(said, Stalled)
    assert session.live.silence == 40
    session.close()

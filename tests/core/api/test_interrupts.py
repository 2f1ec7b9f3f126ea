"""The first ctrl+c stops what is in progress, the second is a KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading

import pytest

from logit_amp_chat.core.api.interrupts import interruptible


def test_the_first_stops_and_the_second_interrupts() -> None:
    stopped: list[int] = []
    with interruptible(lambda: stopped.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert stopped == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stopped == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_ignored_it_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", None)
    with interruptible(pytest.fail):
        pass


def test_in_another_thread_nothing_is_changed() -> None:
    found: list[object] = []

    def run() -> None:
        with interruptible(pytest.fail):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]

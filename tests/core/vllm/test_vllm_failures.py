"""What goes wrong in vLLM's process: told at once, in one sentence, with what to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.protocol import Failed, Opened
from tests.core.engine.test_process import Listener
from tests.core.vllm import acting


@pytest.fixture
def profile(tiny_pair: Callable[..., Profile]) -> Profile:
    return tiny_pair(engine="vllm")


@pytest.fixture
def opened(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[EngineProcess, Listener]]:
    python = acting.python(tmp_path, ("opened", acting.FACTS))
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(python))
    listener = Listener()
    process = EngineProcess(listener)
    process.open(profile)
    listener.until(Opened)
    yield process, listener
    process.close()


def test_a_process_that_dies_while_nothing_is_asked_is_told_at_once(
    opened: tuple[EngineProcess, Listener], tmp_path: Path
) -> None:
    _, listener = opened
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    listener.until(Failed)
    [failed] = [event for event in listener.events if isinstance(event, Failed)]
    assert failed.fatal
    assert failed.message.startswith("The vLLM process died (SIGKILL")
    assert "reload the engine" in failed.remedy

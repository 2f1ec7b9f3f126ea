"""Further engines of vLLM's, each a way to compute or a kind of pair, against the local engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.config.vllm_settings import VllmSettings
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.protocol import Failed, Opened
from tests.core.engine.test_process import Listener
from tests.core.vllm.environment import needs_all
from tests.core.vllm.requests import SAMPLINGS, compare, request
from tests.core.vllm.test_against_vllm import (
    NAMES,
    SETTINGS,
    Engines,
    alpha_in_mid_reply,
    answered,
    check,
    given_tokens,
    opened,
    replies,
    sweep,
)
from tests.core.vllm.test_modules import PYTHON
from tests.models import VOCABULARY, save_side

OPEN_SECONDS = 300


@pytest.fixture(autouse=True)
def all_engines() -> None:
    needs_all()


@contextmanager
def engines_of(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, settings: VllmSettings = SETTINGS
) -> Iterator[Engines]:
    running = opened(profile, monkeypatch, settings)
    try:
        yield next(running)
    finally:
        next(running, None)


def begun(local: LocalEngine, other: VllmEngine) -> None:
    """Replies that are given their first tokens, to vocabularies that spell them in many."""
    asked = request(SAMPLINGS["free"], 24, begin="I th")
    compare(answered(local, asked), answered(other, asked), NAMES)


def started_by(pid: int) -> Iterator[int]:
    """The processes that a process has started, and theirs."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from started_by(child)


def named(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0].strip()


def test_two_processes_of_tensor_parallelism(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = VllmSettings(max_model_len=256, tensor_parallel=2)
    with engines_of(load_profile("demo"), monkeypatch, settings) as engines:
        check(engines, replies, given_tokens, alpha_in_mid_reply, sweep)


def test_compiled_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = VllmSettings(max_model_len=256, arguments={"enforce_eager": False})
    with engines_of(load_profile("demo"), monkeypatch, settings) as engines:
        check(engines, replies, given_tokens, alpha_in_mid_reply, sweep)


def test_a_mixture_of_experts(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    with engines_of(tiny_pair("qwen3-moe"), monkeypatch) as engines:
        check(engines, replies, begun, alpha_in_mid_reply, sweep)


def test_heads_of_unequal_size_and_ends_of_either_side(
    tmp_path: Path, tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = save_side(tmp_path / "before", seed=1)
    (before / "generation_config.json").write_text('{"eos_token_id": [11, 12, 13, 14]}')
    after = save_side(tmp_path / "after", seed=2, rows=VOCABULARY + 64)
    (after / "generation_config.json").write_text('{"eos_token_id": [4, 21, 22, 23]}')
    sides = {"before": {"model": str(before)}, "after": {"model": str(after)}}
    with engines_of(tiny_pair(**sides), monkeypatch) as engines:
        pair = engines[1].pair
        assert {11, 21} <= pair.end_of_turn
        assert pair.valid is not None or pair.size < VOCABULARY + 64
        check(engines, replies, begun, sweep)


def test_a_worker_of_tensor_parallelism_that_is_killed_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(PYTHON))
    settings = VllmSettings(max_model_len=256, tensor_parallel=2)
    listener = Listener()
    process = EngineProcess(listener)
    process.open(load_profile("demo").model_copy(update={"engine": "vllm", "vllm": settings}))
    listener.until(Opened, seconds=OPEN_SECONDS)
    assert process.pid is not None
    [worker] = [pid for pid in started_by(process.pid) if named(pid) == "VLLM::Worker_TP1"]
    os.kill(worker, signal.SIGKILL)
    listener.until(Failed)
    [failed] = [event for event in listener.events if isinstance(event, Failed)]
    assert (failed.message, failed.fatal) == ("A worker process of vLLM died (SIGKILL).", True)
    process.close()

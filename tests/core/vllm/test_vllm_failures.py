"""What goes wrong in vLLM's process: told at once, in one sentence, with what to do."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.opened_engine import open_engine
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.engine.vllm_failures import explained
from logit_amp_chat.core.engine.vllm_opening import OpeningProgress
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import EngineError, PairError
from logit_amp_chat.core.protocol import Failed, Loading, Opened
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


# What vLLM 0.32 raises, and what is made of it.
SENTENCES = {
    "a KV cache that is too small": (
        "ValueError",
        "To serve at least one request with the models's max seq len (256), (0.4 GiB KV cache is"
        " needed, which is larger than the available KV cache memory (0.2 GiB). Based on the"
        " available memory, the estimated maximum model length is 96. Try increasing"
        " `gpu_memory_utilization`",
        "vLLM's KV cache is too small for one reply of 256 tokens: both sides need 0.4 GiB, 0.2 are"
        " left.",
        "Set max_model_len, under vllm, to 96 or less.",
    ),
    "heads that cannot be shared out": (
        "ValidationError",
        "1 validation error for VllmConfig\n  Value error, Total number of attention heads (4) must"
        " be divisible by tensor parallel size (3). [type=value_error, input_value=ArgsKwargs(())]",
        "vLLM refuses its settings: Total number of attention heads (4) must be divisible by tensor"
        " parallel size (3).",
        "under vllm",
    ),
    "no memory beside the weights": (
        "ValueError",
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "Beside the weights no memory is left for vLLM's KV cache.",
        "max_model_len",
    ),
    "an argument that it does not have": (
        "TypeError",
        "EngineArgs.__init__() got an unexpected keyword argument 'foo'",
        "vLLM's engine has no argument foo.",
        "vllm.EngineArgs",
    ),
    "an argument of another type": (
        "ValidationError",
        "1 validation error for CacheConfig\nblock_size\n  Input should be a valid integer, unable"
        " to parse string as an integer [type=int_parsing, input_value='x', input_type=str]\n"
        "    For further information visit https://errors.pydantic.dev/2.14/v/int_parsing",
        "vLLM refuses its settings: block_size: Input should be a valid integer, unable to parse"
        " string as an integer.",
        "under vllm",
    ),
    "a quantization that it does not know": (
        "ValidationError",
        "1 validation error for ModelConfig\n  Value error, Unknown quantization method: foo. Must"
        " be one of ['awq', 'fp8']. [type=value_error, input_value=ArgsKwargs(()), input_type=A]",
        "vLLM refuses its settings: Unknown quantization method: foo. Must be one of"
        " ['awq', 'fp8'].",
        "under vllm",
    ),
    "no memory on a CPU": (
        "RuntimeError",
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory:"
        " you tried to allocate 4398046511104 bytes.",
        "vLLM ran out of memory.",
        "max_model_len",
    ),
    "no memory on a GPU, in a worker": (
        "RuntimeError",
        "Worker failed with error 'CUDA out of memory. Tried to allocate 2.00 GiB.', please check",
        "vLLM ran out of memory.",
        "tensor_parallel",
    ),
    "no memory for Python": ("MemoryError", "", "vLLM ran out of memory.", "more memory"),
    "a worker that was killed": (
        "WorkerDied",
        "SIGKILL",
        "A worker process of vLLM died (SIGKILL).",
        "more memory",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_what_vllm_raises_is_one_sentence_and_what_to_do(case: str) -> None:
    name, words, sentence, remedy = SENTENCES[case]
    message, told = explained(name, words)
    assert message == sentence
    assert remedy in told


def test_where_vllm_points_to_its_output_the_cause_is_found_there() -> None:
    words = "Engine core initialization failed. See root cause above. Failed core proc(s): {}"
    printed = (
        "(Worker_TP1 pid=4242) ERROR 11-27 18:56:39 [multiproc_executor.py:800] Traceback (most\n"
        "(Worker_TP1 pid=4242) ERROR 11-27 18:56:39 [multiproc_executor.py:800] ValueError: Total"
        " number of attention heads (3) must be divisible by tensor parallel size (2).\n"
        "(Worker_TP1 pid=4242) INFO 11-27 18:56:40 [multiproc_executor.py:801] ends\n"
    )
    message, _ = explained("RuntimeError", words, printed)
    assert message == (
        "ValueError: Total number of attention heads (3) must be divisible by tensor parallel"
        " size (2)."
    )


def test_a_pair_that_vllm_cannot_open_is_a_pair_error(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = acting.python(tmp_path, ("failed", "MemoryError", ""))
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(python))
    with pytest.raises(PairError, match=r"^vLLM cannot open this pair: vLLM ran out of memory\."):
        open_engine(profile)


def test_after_memory_has_run_out_the_pair_can_be_opened_again(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = acting.python(
        tmp_path, ("opened", acting.FACTS), ("failed", "OutOfMemoryError", "CUDA out of memory.")
    )
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(python))
    engine = open_engine(profile)
    assert engine.lifeline is not None
    wait([engine.lifeline.fileno()])
    with pytest.raises(EngineError, match=r"^vLLM ran out of memory\. .* reload the engine"):
        engine.lifeline.check_alive()
    engine.close()
    acting.python(tmp_path, ("opened", acting.FACTS))
    open_engine(profile).close()


def test_opening_says_what_is_being_done(tmp_path: Path) -> None:
    told: list[Loading] = []
    path = tmp_path / "progress"
    progress = OpeningProgress(path, {"after": 400, "before": 800}, told.append)
    for line in ("", '["weights", "after", 100]\n', '["weights", "bef', 'ore", 800]\n'):
        with path.open("a") as file:
            file.write(line)
        progress.tell()
    with path.open("a") as file:
        file.write('["warm-up", "vLLM", 0]\n')
    progress.tell()
    assert [(one.stage, one.detail, one.total, one.unit) for one in told] == [
        ("start", "vLLM", None, "s"),
        ("weights", "after", 400, "bytes"),
        ("weights", "before", 800, "bytes"),
        ("warm-up", "vLLM", None, "s"),
    ]
    assert [one.done for one in told[1:3]] == [100, 800]


def test_an_answer_that_is_computed_for_long_gives_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = acting.python(tmp_path, ("opened", acting.FACTS))
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(python))
    process = VllmProcess({"v2": False}, threads=1, cache_gb=1, sizes={})
    process.beat = (tmp_path / "beat").touch
    assert process.ask("step") is None
    process.close()


def test_what_processes_that_were_killed_while_opening_left_is_removed_a_day_later(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    old, new = tmp_path / "logit-amp-vllm-old", tmp_path / "logit-amp-vllm-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    python = acting.python(tmp_path, ("opened", acting.FACTS))
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(python))
    open_engine(profile).close()
    assert [*tmp_path.glob("logit-amp-vllm-*")] == [new]


def test_a_python_that_cannot_be_started_is_named(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("no program")
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(python))
    with pytest.raises(PairError, match=f"cannot be started with {python}: Permission denied"):
        open_engine(profile)

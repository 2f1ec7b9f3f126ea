"""What a pair takes in vLLM is computed, and refused where it cannot fit, before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from transformers import AutoConfig, Gemma3TextConfig, LlamaConfig

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.vllm_settings import VllmSettings
from logit_amp_chat.core.engine import vllm_memory
from logit_amp_chat.core.engine.vllm_memory import VllmMemory, check_memory
from logit_amp_chat.core.errors import PairError, UsageError
from logit_amp_chat.core.models.memory_estimate import cache_bytes
from logit_amp_chat.core.models.unloaded_pair import UnloadedPair
from logit_amp_chat.core.protocol import Loading
from tests.sparse_models import LLAMA_8B, LLAMA_70B, save_sparse_llama

GB = 1e9


@pytest.fixture(scope="module")
def llama_8b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sparse_llama(tmp_path_factory.mktemp("8b"), LLAMA_8B)


@pytest.fixture(scope="module")
def llama_70b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sparse_llama(tmp_path_factory.mktemp("70b"), LLAMA_70B)


@pytest.fixture
def pair_of(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> Callable[..., tuple[Profile, UnloadedPair]]:
    """A profile, and its pair as it is known without weights: two folders that are one model."""

    def make(folder: Path, **settings: Any) -> tuple[Profile, UnloadedPair]:
        other = tmp_path / "other"
        other.symlink_to(folder, target_is_directory=True)
        config = AutoConfig.from_pretrained(folder)
        found = SimpleNamespace(
            folders=(folder, other),
            configs=(config, config),
            dtype="bfloat16",
            pair=SimpleNamespace(context=131_072),
        )
        profile = tiny_pair(engine="vllm", vllm=VllmSettings(**settings))
        return profile, cast(UnloadedPair, found)

    return make


def machine(
    monkeypatch: pytest.MonkeyPatch, *, ram: float | None = None, cards: list[float] | None = None
) -> None:
    """So much free RAM, or GPUs of these sizes, in GB."""
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    monkeypatch.setattr(vllm_memory, "available_ram", lambda: ram and int(ram * GB))
    monkeypatch.setattr(vllm_memory, "gpus", lambda: [("H100", int(c * GB)) for c in cards or ()])


def test_weights_and_kv_of_both_sides_are_shared_out(
    pair_of: Callable[..., tuple[Profile, UnloadedPair]], llama_70b: Path
) -> None:
    need = VllmMemory.of(*pair_of(llama_70b, tensor_parallel=8, max_model_len=8192))
    assert need is not None
    # 70.55e9 weights of two bytes a side; 80 layers, a head of 128 on each of eight GPUs.
    assert need.weights == pytest.approx(2 * 70.55e9 * 2 / 8, rel=1e-3)
    assert need.cache == 2 * 80 * 2 * 128 * 2 * 8192


def test_a_head_is_kept_by_every_rank_that_has_no_other() -> None:
    config = LlamaConfig(num_hidden_layers=1, num_key_value_heads=2, head_dim=64)
    assert cache_bytes(config, 10, 2, ranks=8) == 2 * 64 * 10 * 2
    assert cache_bytes(config, 10, 2, ranks=1) == 2 * 2 * 64 * 10 * 2


def test_layers_with_a_window_keep_no_more_than_that() -> None:
    config = Gemma3TextConfig(
        num_hidden_layers=2, num_key_value_heads=1, head_dim=64, sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    assert cache_bytes(config, 100, 2) == 2 * 64 * (16 + 100) * 2


def test_a_pair_that_fits_its_gpus_is_told_of(
    pair_of: Callable[..., tuple[Profile, UnloadedPair]],
    llama_70b: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, cards=[80] * 8)
    told: list[Loading] = []
    check_memory(*pair_of(llama_70b, tensor_parallel=8, max_model_len=4096), told.append)
    assert [(one.stage, round(one.done / GB)) for one in told] == [("memory", 36)]
    assert told[0].total == 0.9 * 80 * GB


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tensor_parallel": 2}, "at least 141.* on each of 2 GPUs, and vLLM may use 72.0 GB"),
        ({"tensor_parallel": 4}, None),
        ({"tensor_parallel": 4, "gpu_memory_utilization": 0.8}, "may use 64.0 GB"),
        ({"tensor_parallel": 4, "max_model_len": 65_536}, "KV cache of both for 65,536 tokens"),
    ],
)
def test_gpus_are_counted_with_their_share_of_everything(
    pair_of: Callable[..., tuple[Profile, UnloadedPair]],
    llama_70b: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    words: str | None,
) -> None:
    machine(monkeypatch, cards=[80] * 8)
    asked = pair_of(llama_70b, **settings)
    if words is None:
        check_memory(*asked, lambda _: None)
        return
    with pytest.raises(PairError, match=words) as caught:
        check_memory(*asked, lambda _: None)
    assert "tensor_parallel" in caught.value.remedy


def test_more_gpus_than_there_are_is_wrong_usage(
    pair_of: Callable[..., tuple[Profile, UnloadedPair]],
    llama_8b: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, cards=[80])
    with pytest.raises(UsageError, match="tensor_parallel is 2, and this machine has 1 GPUs"):
        check_memory(*pair_of(llama_8b, tensor_parallel=2), lambda _: None)


def test_on_a_cpu_the_cache_is_as_large_as_one_reply_needs(
    pair_of: Callable[..., tuple[Profile, UnloadedPair]],
    llama_8b: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, ram=64)
    asked = pair_of(llama_8b, max_model_len=32_768)  # 0.26 MB a token on both sides
    assert check_memory(*asked, lambda _: None) == 9
    machine(monkeypatch, ram=40)
    with pytest.raises(PairError, match=r"needs about 41\.\d GB in vLLM .* has 40\.0 GB free"):
        check_memory(*asked, lambda _: None)


def test_on_a_cpu_a_cache_that_is_named_must_hold_one_reply(
    pair_of: Callable[..., tuple[Profile, UnloadedPair]],
    llama_8b: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, ram=64)
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "2")
    with pytest.raises(PairError, match="KV cache has 2 GB here, and one reply of 32,768 tokens"):
        check_memory(*pair_of(llama_8b, max_model_len=32_768), lambda _: None)


@pytest.mark.parametrize(
    "settings", [{"quantization": "fp8"}, {"arguments": {"cpu_offload_gb": 100}}]
)
def test_what_only_vllm_can_know_is_left_to_it(
    pair_of: Callable[..., tuple[Profile, UnloadedPair]],
    llama_70b: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
) -> None:
    machine(monkeypatch, cards=[80])
    check_memory(*pair_of(llama_70b, **settings), lambda _: None)

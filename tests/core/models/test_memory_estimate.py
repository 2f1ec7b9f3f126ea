"""Memory is estimated before loading; a pair that cannot fit is refused with the remedies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models import memory_estimate
from logit_amp_chat.core.models.memory_estimate import Estimate, estimate, place
from logit_amp_chat.core.models.pair import load_pair, prepare

NEED = Estimate(weights=int(16e9), cache=int(1e9), workspace=int(1e9))
NF4 = Estimate(weights=int(5e9), cache=int(1e9), workspace=int(1e9))
GPU = torch.device("cuda:0")


def sides(profile: Profile) -> list[tuple[Path, Any]]:
    folders = (Path(profile.before.model), Path(profile.after.model))
    return [(folder, AutoConfig.from_pretrained(folder)) for folder in folders]


def gpus(monkeypatch: pytest.MonkeyPatch, *free: float) -> None:
    def mem_get_info(device: torch.device | int) -> tuple[int, int]:
        index = device if isinstance(device, int) else device.index or 0
        return int(free[index]), int(80e9)

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))


@pytest.mark.parametrize("architecture", ["llama", "llama-tied", "qwen3", "gemma3", "gpt2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_estimate_is_what_loading_takes(
    tiny_pair: Callable[..., Profile], architecture: str, dtype: str
) -> None:
    profile = tiny_pair(architecture, dtype=dtype)
    pair = load_pair(profile)
    prepare(pair)
    expected = estimate(profile, sides(profile), on_gpu=False).weights
    assert pair.memory == pytest.approx(expected, rel=0.02)


def test_four_bits_take_less_and_leave_embeddings_as_they_are(
    tiny_pair: Callable[..., Profile],
) -> None:
    profile = tiny_pair()
    nf4 = profile.model_copy(update={"quantization": "nf4"})
    plain, small = (estimate(p, sides(p), on_gpu=True) for p in (profile, nf4))
    embedding = sum(2 * 2 * c.vocab_size * c.hidden_size for _, c in sides(profile))
    assert embedding < small.weights < plain.weights


def test_one_folder_counts_once(tiny_pair: Callable[..., Profile]) -> None:
    profile = tiny_pair()
    [first, _] = sides(profile)
    both = estimate(profile, [first, first], on_gpu=False)
    assert both.weights == estimate(profile, [first], on_gpu=False).weights


def test_a_pair_that_fits_goes_on_one_device(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 20e9, 20e9)
    assert place(tiny_pair(device="auto"), NEED, NF4, GPU) == {"": GPU}


def test_a_pair_too_large_for_one_gpu_is_spread_over_all(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 12e9, 12e9)
    assert place(tiny_pair(device="auto"), NEED, NF4, GPU) == "auto"


def test_a_profile_that_names_its_gpu_is_not_spread(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 12e9, 12e9)
    with pytest.raises(PairError, match=r"the GPU has 12\.0 GB free"):
        place(tiny_pair(device="cuda:0"), NEED, NF4, GPU)


def test_the_refusal_names_the_numbers_and_the_ways_out(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 12e9)
    with pytest.raises(PairError) as refused:
        place(tiny_pair(device="auto"), NEED, NF4, GPU)
    for part in ("18.0 GB", "weights 16.0", "4,096 tokens", "12.0 GB free"):
        assert part in str(refused.value)
    assert "nf4 (about 7.0 GB)" in str(refused.value)


def test_a_pair_larger_than_main_memory_is_refused_before_it_is_loaded(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_estimate, "available_ram", lambda: 1000)
    with pytest.raises(PairError, match=r"this machine has 0\.0 GB free"):
        load_pair(tiny_pair())


def test_where_nothing_is_known_about_memory_nothing_is_refused(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_estimate, "available_ram", lambda: None)
    assert place(tiny_pair(), NEED, NF4, torch.device("cpu")) == {"": torch.device("cpu")}


def test_weights_that_a_repository_holds_twice_count_once(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    [(folder, config), _] = sides(tiny_pair())
    data = (folder / "model.safetensors").read_bytes()
    for name in ("model.safetensors", "consolidated.safetensors"):
        (tmp_path / name).write_bytes(data)
    profile = tiny_pair()
    once = estimate(profile, [(folder, config)], on_gpu=False)
    assert estimate(profile, [(tmp_path, config)], on_gpu=False) == once


SIZES = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 16,
}
LATENT = {
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 32,
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
}
GROUPED = {"num_key_value_heads": None, "num_kv_heads": 2, "new_decoder_architecture": True}
MAMBA = {"vocab_size": 64, "hidden_size": 64, "num_hidden_layers": 2}


@pytest.mark.parametrize(
    "config",
    [
        transformers.LlamaConfig(**SIZES),
        transformers.Gemma4TextConfig(**SIZES, head_dim=16, sliding_window=32),
        transformers.DeepseekV3Config(**SIZES | LATENT),
        transformers.FalconConfig(**SIZES, multi_query=True),
        transformers.FalconConfig(**SIZES | GROUPED),
        transformers.GPT2Config(vocab_size=64, n_embd=64, n_layer=2, n_head=2, n_positions=16),
        transformers.Lfm2Config(**SIZES, layer_types=["conv", "full_attention"] * 2),
    ],
    ids=lambda config: config.model_type,
)
def test_caches_are_counted_layer_by_layer(
    config: Any, tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    with torch.inference_mode():
        model = AutoModelForCausalLM.from_config(config).eval()
        cache = model(torch.zeros(1, 16, dtype=torch.long), use_cache=True).past_key_values
    held = [t for x in cache.layers for t in (getattr(x, "keys", None), getattr(x, "values", None))]
    expected = sum(t.numel() * 4 for t in held if t is not None)
    assert estimate(tiny_pair(), [(tmp_path, config)], on_gpu=False).cache == expected


def test_recurrent_layers_have_no_cache_that_grows(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    config = transformers.Mamba2Config(**MAMBA, num_heads=8, head_dim=16)
    assert estimate(tiny_pair(), [(tmp_path, config)], on_gpu=False).cache == 0


def test_a_cache_of_unknown_shape_is_unknown_and_no_reason_to_refuse(
    tiny_pair: Callable[..., Profile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = estimate(tiny_pair(), [(tmp_path, transformers.RwkvConfig(**MAMBA))], on_gpu=False)
    assert need.cache is None
    monkeypatch.setattr(memory_estimate, "available_ram", lambda: need.total)
    assert place(tiny_pair(), need, need, torch.device("cpu"))


def test_the_refusal_says_which_part_is_unknown(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 12e9)
    need = Estimate(weights=int(16e9), cache=None, workspace=int(1e9))
    with pytest.raises(PairError, match=r"at least 17\.0 GB .*caches unknown"):
        place(tiny_pair(device="auto"), need, NF4, GPU)

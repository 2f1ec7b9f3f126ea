"""A side's precision is that of what was loaded, whoever quantized it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    FineGrainedFP8Config,
    GPTQConfig,
    Mxfp4Config,
)

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.models.precision import kind, precision_notice, quantization_of
from logit_amp_chat.core.records import SideInfo
from tests.core.models.test_pair import profile
from tests.models import save_pair, save_side, tiny_model, tiny_tokenizer

NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
# As llm-compressor writes it, with the activations' bits beside the weights'.
PACKED = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "kv_cache_scheme": {"num_bits": 8},
    "config_groups": {
        "group_0": {"input_activations": {"num_bits": 16}, "weights": {"num_bits": 4}},
    },
}
HQQ = {
    "quant_method": "hqq",
    "quant_config": {"weight_quant_params": {"nbits": 3}, "scale_quant_params": {"nbits": 8}},
}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (NF4, "nf4"),
        ({"load_in_4bit": True}, "fp4 without double quantization"),
        (NF4 | {"bnb_4bit_use_double_quant": False}, "nf4 without double quantization"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "gptq", "bits": 4}, "gptq 4-bit"),
        (GPTQConfig(bits=3).to_dict(), "gptq 3-bit"),
        ({"quant_method": "awq", "bits": 4, "version": "gemm"}, "awq 4-bit"),
        (FineGrainedFP8Config().to_dict(), "fp8"),
        (Mxfp4Config().to_dict(), "mxfp4"),
        ({"quant_method": "quanto", "weights": "int4"}, "quanto int4"),
        (PACKED, "compressed-tensors pack-quantized 4-bit"),
        (HQQ, "hqq 3-bit"),
        (
            {"quant_method": "auto-round", "bits": 4, "extra": {"a": {"bits": 8}}},
            "auto-round 4/8-bit",
        ),
        ({}, "an unnamed method"),
    ],
)
def test_a_quantization_has_its_author_s_name_and_its_bits(
    settings: dict[str, Any], words: str
) -> None:
    assert kind(settings) == words


def loaded(settings: dict[str, Any] | None) -> SimpleNamespace:
    config = (
        SimpleNamespace() if settings is None else SimpleNamespace(quantization_config=settings)
    )
    return SimpleNamespace(config=config)


def test_what_counts_is_what_was_loaded() -> None:
    """transformers unpacks FP8 and MXFP4 where no kernel runs them, and forgets that it did."""
    mxfp4 = {"quant_method": "mxfp4"}
    saved, plain = loaded(mxfp4).config, loaded(None).config
    assert quantization_of(saved, loaded(mxfp4), None) == "mxfp4"
    assert quantization_of(saved, loaded(None), None) == "mxfp4, unpacked"
    assert quantization_of(plain, loaded(NF4), None) == "nf4"
    assert quantization_of(plain, loaded(None), None) == "none"


def test_a_checkpoint_in_four_bits_is_called_so(tmp_path: Path) -> None:
    """With `quantization: none` in the profile, which means: as it was saved."""
    before, after = save_pair(tmp_path)
    four = save_quantized(after, tmp_path / "four")
    pair = load_pair(profile(before, four, dtype="bfloat16"))
    assert [info.quantization for info in pair.infos] == ["none", "nf4"]
    assert (
        "The sides differ in precision (before: bfloat16; after: nf4, bfloat16):"
        " besides what training changed, Δ holds their rounding errors." in pair.notices
    )


def save_quantized(folder: Path, target: Path) -> Path:
    config = BitsAndBytesConfig(**NF4)
    model = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=config, dtype=torch.bfloat16
    )
    model.save_pretrained(target)
    for file in folder.glob("tokenizer*"):
        shutil.copy(file, target)
    return target


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_one_precision_on_both_sides_is_no_news(
    tiny_pair: Callable[..., Profile], quantization: str
) -> None:
    pair = load_pair(tiny_pair(quantization=quantization, dtype="bfloat16"))
    assert [info.quantization for info in pair.infos] == [quantization] * 2
    assert not any("precision" in notice for notice in pair.notices)


def test_another_dtype_is_a_notice_too() -> None:
    sides = [SideInfo("m", None, None, dtype, "none") for dtype in ("bfloat16", "float16")]
    assert precision_notice(*sides) == (
        "The sides differ in precision (before: bfloat16; after: float16):"
        " besides what training changed, Δ holds their rounding errors."
    )


def test_a_gguf_file_is_called_after_most_of_its_weights(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from tests.tiny_gguf import save_gguf

    (tmp_path / "gguf").mkdir()
    plain = save_side(tmp_path / "plain", seed=1)
    full = save_gguf(tmp_path / "gguf" / "f32.gguf", tiny_model(seed=2), tiny_tokenizer())
    small = save_gguf(
        tmp_path / "gguf" / "q8.gguf", tiny_model(seed=2), tiny_tokenizer(), packed=True
    )
    assert load_pair(profile(plain, full)).infos[1].quantization == "none"
    pair = load_pair(profile(plain, small))
    assert pair.infos[1].quantization == "gguf Q8_0"
    assert "(before: float32; after: gguf Q8_0, float32)" in "".join(pair.notices)

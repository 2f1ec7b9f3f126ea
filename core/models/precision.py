"""In which precision the weights of a side are, whoever quantized them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from logit_amp_chat.core.models.gguf_file import stored_as
from logit_amp_chat.core.records import SideInfo

NONE = "none"
# Where quantizations say how many bits a weight has, each in its own way.
BITS = ("bits", "w_bit", "nbits", "num_bits")
# What else they say the bits of.
NO_WEIGHTS = ("activation", "kv_cache", "scale", "zero")
FULL = frozenset({"F64", "F32", "F16", "BF16"})


def quantization_of(config: Any, model: Any, gguf: Path | None) -> str:
    """How a loaded model is quantized: none, nf4, int8, gptq 4-bit, fp8, gguf Q4_K …

    `config` is the one beside its weights. Weights that were saved quantized and are unpacked
    on loading are called so: their values are still those of the quantization.
    """
    if gguf is not None:
        stored = stored_as(gguf)
        return NONE if stored in FULL else f"gguf {stored}"
    if (loaded := _settings(model.config)) is not None:
        return kind(loaded)
    saved = _settings(config)
    return NONE if saved is None else f"{kind(saved)}, unpacked"


def kind(settings: Mapping[str, Any]) -> str:
    """What a `quantization_config` describes, in the words of a profile where it has them."""
    if settings.get("load_in_8bit"):
        return "int8"
    if settings.get("load_in_4bit"):
        name = str(settings.get("bnb_4bit_quant_type") or "fp4")
        twice = settings.get("bnb_4bit_use_double_quant")
        return name if twice else f"{name} without double quantization"
    method = settings.get("quant_method") or "an unnamed method"
    words = [str(getattr(method, "value", method))]
    if words == ["compressed-tensors"]:
        words.append(str(settings.get("format") or ""))
    if isinstance(settings.get("weights"), str):  # quanto: int4, float8
        words.append(settings["weights"])
    if bits := sorted(set(_bits(settings))):
        words.append(f"{'/'.join(map(str, bits))}-bit")
    return " ".join(word for word in words if word)


def precision_notice(before: SideInfo, after: SideInfo) -> str | None:
    """A sentence where the sides differ in precision, else None."""
    if (before.quantization, before.dtype) == (after.quantization, after.dtype):
        return None
    return (
        f"The sides differ in precision (before: {_words(before)}; after: {_words(after)}):"
        " besides what training changed, Δ holds their rounding errors."
    )


def _words(side: SideInfo) -> str:
    return side.dtype if side.quantization == NONE else f"{side.quantization}, {side.dtype}"


def _settings(config: Any) -> dict[str, Any] | None:
    found = getattr(config, "quantization_config", None)
    if found is None or isinstance(found, dict):
        return found
    settings: dict[str, Any] = found.to_dict()
    return settings


def _bits(settings: Mapping[str, Any]) -> Iterator[int]:
    """Every number of bits that weights have: layers may differ."""
    for name, value in settings.items():
        if any(word in name for word in NO_WEIGHTS):
            continue
        if isinstance(value, Mapping):
            yield from _bits(value)
        elif name in BITS and isinstance(value, int):
            yield value

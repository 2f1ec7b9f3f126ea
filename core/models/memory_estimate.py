"""Estimates the memory a pair needs, before any weight is loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers.cache_utils import get_layer_types_and_kwargs

from logit_amp_chat.core.config.profile import Profile, is_gguf
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.gguf_file import gguf_shapes
from logit_amp_chat.core.system.machine import GB, available_ram

# Tokens of one conversation that must fit beside the weights.
CACHED_TOKENS = 4096
# Rows of logits held at once: lanes, and forced tokens.
LOGITS_ROWS = 256
# Layers whose state does not grow with the text, or that have none.
RECURRENT = ("linear_attention", "conv", "dummy")
# Bytes per quantized weight, including its scales.
QUANTIZED_BYTES = {"nf4": 0.52, "int8": 1.01}
# Never quantized: embeddings and heads.
KEPT = ("embed", "lm_head", "wte", "wpe")
EMBEDDINGS = ("embed", "wte", "token_embd")
STORED_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1}
# Activations, fragmentation and what drivers keep, as a share of the weights.
SPARE = 0.05


@dataclass(frozen=True)
class Estimate:
    """Bytes: weights of both sides, caches of `CACHED_TOKENS` tokens (None: unknown), workspace."""

    weights: int
    cache: int | None
    workspace: int

    @property
    def total(self) -> int:
        """Bytes of all parts that are known."""
        return self.weights + (self.cache or 0) + self.workspace

    def __str__(self) -> str:
        least, caches = "at least", "caches unknown"
        if self.cache is not None:
            least, caches = "about", f"caches for {CACHED_TOKENS:,} tokens {self.cache / GB:.1f}"
        return (
            f"{least} {self.total / GB:.1f} GB (weights {self.weights / GB:.1f}, {caches},"
            f" workspace {self.workspace / GB:.1f})"
        )


def estimate(
    profile: Profile,
    sides: Sequence[tuple[Path, Any]],
    on_gpu: bool,
    copies: Sequence[Hashable] = (),
) -> Estimate:
    """What the sides (folder or GGUF file, configuration) take once loaded.

    A shared folder counts once; where `copies` says which copy of the weights each side is on,
    one that is shared does.
    """
    keys = copies or [folder for folder, _ in sides]
    once = dict(zip(keys, sides, strict=True))
    weights = sum(_weights(profile, *side, on_gpu) for side in once.values())
    configs = [config.get_text_config() for _, config in sides]
    caches = [_cache(profile, config, on_gpu) for config in configs]
    cache = None if None in caches else sum(n for n in caches if n is not None)
    rows = max(int(config.vocab_size) for config in configs)
    # both sides' logits in fp32, and as much again while they are mixed
    workspace = 4 * LOGITS_ROWS * rows * 4 + int(SPARE * weights)
    return Estimate(weights, cache, workspace)


def place(profile: Profile, need: Estimate, nf4: Estimate, device: torch.device) -> Any:
    """transformers' device_map for a pair that needs `need`: one device, or spread over GPUs.

    Raises PairError if it cannot fit; `nf4` is what it would need in 4 bits.
    """
    if device.type == "cpu":
        _refuse_beyond(available_ram(), "this machine", need, nf4, profile)
        return {"": device}
    free = torch.cuda.mem_get_info(device)[0]
    if need.total <= free:
        return {"": device}
    count = torch.cuda.device_count()
    if profile.device == "auto" and count > 1:
        free = sum(torch.cuda.mem_get_info(n)[0] for n in range(count))
        _refuse_beyond(free, f"these {count} GPUs", need, nf4, profile)
        return "auto"
    _refuse_beyond(free, "the GPU", need, nf4, profile)
    return {"": device}


def _refuse_beyond(
    free: int | None, where: str, need: Estimate, nf4: Estimate, profile: Profile
) -> None:
    if free is None or need.total <= free:
        return
    ways = ["a smaller pair", "a machine with more memory"]
    if profile.quantization != "nf4":
        ways.insert(0, f"quantization: nf4 (about {nf4.total / GB:.1f} GB)")
    if where == "the GPU":
        ways.append("device: cpu")
    raise PairError(
        f"This pair needs {need}, and {where} has {free / GB:.1f} GB free.",
        f"Use {', '.join(ways[:-1])} or {ways[-1]}.",
    )


def _weights(profile: Profile, folder: Path, config: Any, on_gpu: bool) -> int:
    prequantized = _is_quantized(folder)
    total, embedding = 0.0, 0.0
    for name, dtype, shape in _tensors(folder):
        count = math.prod(shape)
        stored = STORED_BYTES.get(dtype, 2)
        kept = len(shape) != 2 or any(part in name for part in KEPT)
        width = float(_width(profile, stored, on_gpu))
        if prequantized:
            width = stored
        elif profile.quantization != "none" and not kept:
            width = QUANTIZED_BYTES[profile.quantization]
        total += count * width
        if any(part in name for part in EMBEDDINGS):
            embedding += count * width
    # On a CPU a tied head gets its own copy.
    tied = getattr(config.get_text_config(), "tie_word_embeddings", False)
    return int(total + (embedding if tied and not on_gpu else 0))


def _is_quantized(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "config.json").read_text()).get("quantization_config"))
    except (OSError, ValueError, AttributeError):
        return False


def _cache(profile: Profile, config: Any, on_gpu: bool) -> int | None:
    """Bytes of one row's cache; None if the configuration does not tell."""
    tokens = min(CACHED_TOKENS, getattr(config, "max_position_embeddings", None) or CACHED_TOKENS)
    try:
        kinds, _ = get_layer_types_and_kwargs(config)
        layers = zip(kinds, config.per_layer_config, strict=True)
        cells = sum(_cells(layer) for kind, layer in layers if kind not in RECURRENT)
    except (AttributeError, TypeError, ValueError):
        return None
    return int(cells * tokens * _width(profile, 2, on_gpu))


def cache_bytes(config: Any, tokens: int, width: float, ranks: int = 1) -> int | None:
    """Bytes that each of `ranks` keeps of so many tokens, `width` bytes a number.

    Heads are shared out, a latent is kept by each; a layer with a window keeps no more than that.
    None if the configuration does not tell.
    """
    try:
        kinds, options = get_layer_types_and_kwargs(config)
        total: int = 0
        for kind, option, layer in zip(kinds, options, config.per_layer_config, strict=True):
            if kind not in RECURRENT:
                kept = min(tokens, int(option.get("sliding_window") or tokens))
                total += _share(layer, ranks) * kept
    except (AttributeError, TypeError, ValueError):
        return None
    return int(total * width)


def _share(config: Any, ranks: int) -> int:
    """Numbers that a rank of tensor parallelism keeps of one token in an attention layer."""
    if getattr(config, "kv_lora_rank", None):
        return _cells(config)
    heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    return _cells(config) // heads * math.ceil(heads / ranks)


def _cells(config: Any) -> int:
    """Numbers that one attention layer keeps of one token."""
    if latent := getattr(config, "kv_lora_rank", None):
        return int(latent + config.qk_rope_head_dim)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    # Falcon's later architecture caches its few heads once for each query head
    if getattr(config, "multi_query", False) and not getattr(
        config, "new_decoder_architecture", False
    ):
        heads = 1
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * heads * size)


def _width(profile: Profile, stored: int, on_gpu: bool) -> int:
    """Bytes per unquantized number."""
    named = {"float32": 4, "bfloat16": 2, "float16": 2}
    return named.get(profile.dtype, stored if on_gpu else 4)


def tensor_bytes(folder: Path) -> Iterator[tuple[str, int]]:
    """(name, bytes in the file) of every tensor of a model."""
    for name, dtype, shape in _tensors(folder):
        yield name, math.prod(shape) * STORED_BYTES.get(dtype, 2)


def _tensors(folder: Path) -> Iterator[tuple[str, str, list[int]]]:
    """(name, dtype, shape) of every tensor; damaged files are left for the loader to refuse."""
    if is_gguf(folder.name):
        # unpacked on loading, whatever they are in the file
        yield from ((name, "F32", shape) for name, shape in gguf_shapes(folder))
        return
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - not a mapping
                    tensor = file.get_slice(name)
                    yield name, tensor.get_dtype(), tensor.get_shape()
        except (OSError, SafetensorError):
            continue


def weight_files(folder: Path) -> list[Path]:
    """The files that are loaded: some repositories contain the weights twice."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text())
        return [folder / name for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        single = folder / "model.safetensors"
        return [single] if single.exists() else sorted(folder.glob("*.safetensors"))

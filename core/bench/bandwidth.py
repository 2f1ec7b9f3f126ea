"""The bytes a decoding step must read, and the memory bandwidth of this machine."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from logit_amp_chat.core.models.layers.lora import LowRankUpdate
from logit_amp_chat.core.models.layers.packed_linear import PackedLinear
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side import SharedWeights

COPIED_BYTES = 1 << 28


def step_bytes(pair: Pair, lanes: int, length: int) -> int:
    """Bytes a decoding step must read: weights, and caches of `length` tokens per lane and side.

    Shared weights count once if both sides run in one forward pass.
    """
    models = [side.model for side in (pair.before, pair.after)]
    caches = sum(_token_bytes(model) for model in models) * lanes * length
    once = SharedWeights.of(pair.before, pair.after) is not None
    return caches + sum(_weight_bytes(model) for model in (models[:1] if once else models))


def _weight_bytes(model: Any) -> int:
    """Bytes of weights read per step, without an embedding that is not also the head."""
    embedding = model.get_input_embeddings().weight
    head = model.get_output_embeddings()
    apart = isinstance(head, PackedLinear) or head.weight is not embedding
    weights = sum(_size(p) + _scale_bytes(p) for p in model.parameters())
    updates = [module for module in model.modules() if isinstance(module, LowRankUpdate)]
    weights += sum(_size(factor) for update in updates for factor in update.buffers())
    return weights - (_size(embedding) if apart else 0)


def _scale_bytes(weight: Any) -> int:
    """Bytes of a 4-bit weight's scales, and of their own scales."""
    state, scales = getattr(weight, "quant_state", None), 0
    while state is not None:
        scales += _size(state.absmax)
        state = state.state2 if state.nested else None
    return scales


def _token_bytes(model: Any) -> int:
    """KV cache bytes per token."""
    config: Any = model.config.get_text_config()
    heads: int = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size: int = (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    width: int = model.get_input_embeddings().weight.element_size()
    return 2 * int(config.num_hidden_layers) * heads * size * width


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def bus(device: torch.device, rounds: int = 5) -> float:
    """Bytes per second that copies on `device` read and write; the best of `rounds`."""
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    copies = 16 if device.type == "cuda" else 1  # one would be over as soon as it is launched
    best = float("inf")
    for _ in range(rounds):
        began = _now(device)
        for _ in range(copies):
            target.copy_(source)
        best = min(best, _now(device) - began)
    return 2 * copies * COPIED_BYTES / best


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()

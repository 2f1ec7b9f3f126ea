"""How far replies may be from whole forward passes, and where it has to be looked at."""

from __future__ import annotations

from typing import Any

import torch

from logit_amp_chat.core.models.side import LoadedSide

# Mean KL in nats: what a model's 16-bit weights cost against fp32, or more. Cached and
# whole passes of one model were apart by a tenth of that (python -m tests.compatibility.precision).
MEAN_KL = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 1e-2}
QUANTIZED = 2e-2
# In 16 bits a router often sends a token to another expert. An indexer whose scores are tied
# (at zero, behind a ReLU) attends to other tokens in a longer text, in fp32 too.
EXPERTS = 5e-3
INDEXERS = 2e-2
# What chunks and turns may add for a model with recurrent states: a wrong state can be small.
RECURRENT = 5.0
# In fp32, of any log-probability. Recurrent states are rounded more coarsely in steps than in
# one piece, and a dozen texts do not show the worst of it.
LARGEST = 1e-3
LARGEST_RECURRENT = 2e-4
# Beyond this a whole pass does not even agree with a longer one: it is no next-token model.
HOPELESS = 10.0

# Multiply-adds that a look at one more length may cost.
AFFORDABLE = {"cpu": 5e10, "cuda": 3e14}


def has_experts(config: Any) -> bool:
    """Whether tokens are routed to experts."""
    names = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    return any((getattr(config, name, None) or 0) > 1 for name in names)


def has_indexer(config: Any) -> bool:
    """Whether a token attends to a choice of tokens only."""
    return bool(getattr(config, "index_topk", None))


def is_full_precision(side: LoadedSide) -> bool:
    """Whether the model is in fp32, and not quantized."""
    quantized = getattr(side.model.config, "quantization_config", None) is not None
    return bool(side.model.dtype == torch.float32) and not quantized


def mean_kl_limit(side: LoadedSide) -> float:
    """The largest mean KL that passes, in nats."""
    quantized = getattr(side.model.config, "quantization_config", None) is not None
    limit = QUANTIZED if quantized else MEAN_KL.get(side.model.dtype, QUANTIZED)
    if has_experts(side.text_config) and not is_full_precision(side):
        limit += EXPERTS
    return limit + INDEXERS if has_indexer(side.text_config) else limit


def is_exact(side: LoadedSide) -> bool:
    """Whether every single log-probability must agree."""
    return is_full_precision(side) and not has_indexer(side.text_config)


def switch_lengths(side: LoadedSide) -> list[int]:
    """The lengths, in tokens, at which the positions or masks of a model change."""
    config = side.text_config
    names = ("sliding_window", "attention_chunk_size", "window_size", "index_topk")
    declared = [getattr(config, name, None) for name in names]
    if getattr(config, "use_sliding_window", True) is False:
        declared[0] = None
    found = {one for one in [side.rope_switch, *declared] if isinstance(one, int) and one > 0}
    return sorted(found)

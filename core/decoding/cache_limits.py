"""How far replies may be from whole forward passes, and where it has to be looked at."""

from __future__ import annotations

from typing import Any

import torch

from logit_amp_chat.core.models.side import LoadedSide

# Mean KL in nats: ten times what right models show, or more, at four layers and at 32, random and
# trained (python -m tests.compatibility.precision; docs/precision.md has the figures). The largest
# costs of 16-bit weights themselves against fp32 are about as much. KL grows with depth.
MEAN_KL = {torch.float32: 1e-5, torch.float16: 2e-4, torch.bfloat16: 1e-2}
# LLM.int8 rounds what flows through the layers, by the outliers of a whole pass. 4-bit weights
# are computed with in 16 bits: their limit is that of bfloat16.
QUANTIZED = 2.5e-2
# An indexer whose scores are tied (at zero, behind a ReLU) attends to other tokens in a longer
# text, in fp32 too.
INDEXERS = 2e-2
# In low precision a router often sends a token to another expert: this many times what a noise of
# one rounding in the embeddings does to the model is allowed besides.
EXPERTS = 5.0
# What chunks and turns may add for a model with recurrent states: a wrong state can be small.
RECURRENT = 7.0
# The least that they may, as a part of the usual limit: prompts read in one piece can agree to the
# last bit.
RECURRENT_LEAST = 0.05
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
    """The largest mean KL that passes where no token is sent to another expert, in nats."""
    settings = getattr(side.model.config, "quantization_config", None)
    if settings is None:
        limit = MEAN_KL.get(side.model.dtype, QUANTIZED)
    else:
        in_4_bits = getattr(settings, "load_in_4bit", False)
        limit = MEAN_KL[torch.bfloat16] if in_4_bits else QUANTIZED
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

"""How far replies may be from whole forward passes, and where it has to be looked at."""

from __future__ import annotations

from typing import Any

import torch

from logit_amp_chat.core.models.side import LoadedSide

# Mean KL in nats: what a model's 16-bit weights cost against fp32, or more. Cached and
# whole passes of one model were apart by a tenth of that (python -m tests.compatibility.precision).
MEAN_KL = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 1e-2}
QUANTIZED = 2e-2
# A router at a tie may send a token to another expert, an indexer may pick other tokens:
# such a flip is as large in fp32.
CHOICES = 5e-3
# In fp32, of any log-probability.
LARGEST = 1e-3
# Beyond this a whole pass does not even agree with a longer one: it is no next-token model.
HOPELESS = 10.0

# Multiply-adds that a look at one more length may cost.
AFFORDABLE = {"cpu": 5e10, "cuda": 3e14}


def makes_choices(config: Any) -> bool:
    """Whether tokens are routed to experts, or attend to a choice of tokens only."""
    names = (
        *("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
        "index_topk",
    )
    return any((getattr(config, name, None) or 0) > 1 for name in names)


def mean_kl_limit(side: LoadedSide) -> float:
    """The largest mean KL that passes, in nats."""
    config = side.model.config
    quantized = getattr(config, "quantization_config", None) is not None
    limit = QUANTIZED if quantized else MEAN_KL.get(side.model.dtype, QUANTIZED)
    return limit + (CHOICES if makes_choices(config.get_text_config()) else 0.0)


def is_exact(side: LoadedSide) -> bool:
    """Whether every single log-probability must agree: fp32, and no choices."""
    config = side.model.config
    quantized = getattr(config, "quantization_config", None) is not None
    exact: bool = side.model.dtype == torch.float32 and not quantized
    return exact and not makes_choices(config.get_text_config())


def switch_lengths(side: LoadedSide) -> list[int]:
    """The lengths, in tokens, at which the positions or masks of a model change."""
    config = side.model.config.get_text_config()
    names = ("sliding_window", "attention_chunk_size", "window_size", "index_topk")
    declared = [getattr(config, name, None) for name in names]
    if getattr(config, "use_sliding_window", True) is False:
        declared[0] = None
    found = {one for one in [side.rope_switch, *declared] if isinstance(one, int) and one > 0}
    return sorted(found)

"""Estimates the memory of sampling many replies, before any weight is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.row_limits import COPIES
from logit_amp_chat.core.models.description import read_config
from logit_amp_chat.core.models.hub import model_source
from logit_amp_chat.core.models.loader import choose_device
from logit_amp_chat.core.models.memory_estimate import CACHED_TOKENS, estimate


@dataclass(frozen=True, slots=True)
class SamplingMemory:
    """Bytes: the weights of both sides, and one reply at its full length (None: unknown)."""

    weights: int
    row: int | None


def sampling_memory(profile: Profile, tokens: int, alphas: int) -> SamplingMemory:
    """The memory for replies of `tokens` tokens, prompts included, and a grid of `alphas`.

    The models are already here; what is read of them is their configuration. Raises PairError.
    """
    sources = [model_source(side, lambda _: None) for side in (profile.before, profile.after)]
    sides = [(one.weights, read_config(one, profile.trust_remote_code)) for one in sources]
    need = estimate(profile, sides, choose_device(profile.device).type == "cuda")
    if need.cache is None:
        return SamplingMemory(need.weights, None)
    texts = [config.get_text_config() for _, config in sides]
    # Of both sides; the estimate has the cache of as many tokens as each of them can hold.
    cached = min(CACHED_TOKENS, *(getattr(one, "max_position_embeddings", 0) or CACHED_TOKENS
                                  for one in texts))  # fmt: skip
    logits = 4 * max(int(one.vocab_size) for one in texts) * (COPIES + alphas)
    return SamplingMemory(need.weights, int(2 * need.cache / cached * tokens) + logits)

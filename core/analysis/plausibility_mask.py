"""Which candidates of a recorded step the plausibility mask τ removes."""

from __future__ import annotations

import math

from logit_amp_chat.core.records import Step

# Recorded log-probabilities have six decimals, and the mask itself was computed in fp32.
ROUNDING = 2e-6


def masked(step: Step, plausibility: float) -> frozenset[int]:
    """The ids of the candidates with p_after < τ · max p_after, which could not be sampled.

    `plausibility` is the τ in force at the step. None is masked at α ≤ 0, or
    where τ is 0. A candidate list includes `after`'s most likely token, so its maximum is
    that of the whole distribution; a candidate within rounding of the bound is not masked.
    """
    if step.alpha <= 0 or plausibility <= 0 or not step.top:
        return frozenset()
    least = max(one.after for one in step.top) + math.log(plausibility) - ROUNDING
    return frozenset(one.id for one in step.top if one.after < least)

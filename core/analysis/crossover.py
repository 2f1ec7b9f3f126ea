"""Where two tokens' amplified log-odds cross: plain arithmetic on what a step recorded.

The logits before any filter are after + α · (after − before), so the log-odds
of two tokens are a straight line in α.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from logit_amp_chat.core.records import Candidate

# Recorded log-probabilities have six decimals: a slope below their noise is none.
FLAT = 4e-6


def crossover(before: tuple[float, float], after: tuple[float, float]) -> float | None:
    """The α at which two tokens' amplified log-odds are zero.

    Each side gives the log-probabilities of tokens (i, j), in nats: log-odds
    are linear in α, so −(a_i − a_j)/(d_i − d_j) with d = a − b. None where
    they never cross.
    """
    slope = (after[0] - before[0]) - (after[1] - before[1])
    if slope == 0 or not math.isfinite(slope):
        return None
    return -(after[0] - after[1]) / slope


@dataclass(frozen=True)
class Overtaking:
    """When a candidate is more probable than the chosen token.

    `at` is the α where the two are equal: the candidate is ahead above it when
    `above`, below it otherwise. None where α decides nothing: always `ahead`,
    or never. `ahead` says how it is at the α that was in force.
    """

    at: float | None
    above: bool
    ahead: bool


def overtaking(candidate: Candidate, chosen: Candidate) -> Overtaking:
    """When `candidate` overtakes `chosen`, from what both were recorded with.

    A token that one side rules out has no finite line; then all that is known
    is who was ahead.
    """
    ahead = candidate.amplified > chosen.amplified
    slope = (candidate.after - candidate.before) - (chosen.after - chosen.before)
    if not math.isfinite(slope) or abs(slope) < FLAT:
        return Overtaking(None, False, ahead)
    at = crossover((candidate.before, chosen.before), (candidate.after, chosen.after))
    return Overtaking(at, slope > 0, ahead)

"""The α at which one token overtakes another, from the numbers of a recorded step.

Unfiltered logits are after + α · (after − before), so the log-odds of two
tokens are linear in α.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass

from logit_amp_chat.core.records import Candidate

# Recorded log-probabilities have six decimals: a smaller slope is rounding.
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
    """At which α a candidate is more probable than the chosen token.

    They are equal at `at`; the candidate is ahead above it if `above`, else
    below it. `at` is None where α does not matter, infinite where it cannot be
    told. `ahead` is the state at the α in force.
    """

    at: float | None
    above: bool
    ahead: bool


def overtaking(
    candidate: Candidate, chosen: Candidate, fixed: Set[int] = frozenset()
) -> Overtaking:
    """When `candidate` overtakes `chosen`.

    `fixed` are ids whose probability α does not change: two of them keep their order, and
    when one crosses another token depends on tokens that the record does not have.
    A token that one side rules out has no finite slope; then all that is known
    is which of the two was ahead.
    """
    ahead = candidate.amplified > chosen.amplified
    if len(fixed & {candidate.id, chosen.id}) == len({candidate.id, chosen.id}):
        return Overtaking(None, False, ahead)
    if fixed & {candidate.id, chosen.id}:
        return Overtaking(math.inf, False, ahead)
    slope = (candidate.after - candidate.before) - (chosen.after - chosen.before)
    if not math.isfinite(slope) or abs(slope) < FLAT:
        return Overtaking(None, False, ahead)
    at = crossover((candidate.before, chosen.before), (candidate.after, chosen.after))
    return Overtaking(at, slope > 0, ahead)

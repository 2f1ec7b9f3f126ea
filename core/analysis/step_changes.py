"""What a step of training changed: the difference and the ratio of the rates at two stages.

Their limits are made of those of the two rates (MOVER: Zou and Donner 2008, Donner and Zou 2012),
with the correlation that comes from replies and noise that both rest on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from logit_amp_chat.core.analysis.stage_rates import StageEstimate, covariance


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """What one step of training changed, with 95 % limits.

    `difference` is the rate after less that before, None where both are limits alone. `shown`
    are the limits of what hits of the kinds that replies showed changed; `low` and `high` have
    room for others. `ratio` is the rate after over that before, None where there is no such
    number, and of means; `ratio_high` is infinite where the rate before may be 0. `correlation`
    is that of the two estimates.
    """

    difference: float | None
    low: float
    high: float
    shown: tuple[float, float]
    correlation: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None

    @property
    def rises(self) -> bool:
        """Whether the step raised it, in hits of the kinds that replies showed."""
        return self.shown[0] > 0

    @property
    def falls(self) -> bool:
        """Whether the step lowered it, in hits of the kinds that replies showed."""
        return self.shown[1] < 0

    @property
    def is_sure(self) -> bool:
        """Whether that is so whatever hits no reply showed."""
        return self.low > 0 or self.high < 0


def step_change(before: StageEstimate, after: StageEstimate, *, numeric: bool) -> StepChange:
    """What the step from one stage to the next changed."""
    correlation = _correlation(before, after)
    low, high = _difference_limits(before, after, correlation)
    known = before.rate is not None or after.rate is not None
    ratio = (None, None, None) if numeric else _ratio(before, after, min(correlation, 0.0))
    return StepChange(
        difference=after.middle - before.middle if known else None,
        # What neither shows is no part of what they share.
        low=low - before.room[1] - after.room[0],
        high=high + before.room[0] + after.room[1],
        shown=(low, high),
        correlation=correlation,
        ratio=ratio[0],
        ratio_low=ratio[1],
        ratio_high=ratio[2],
    )


def _difference_limits(
    before: StageEstimate, after: StageEstimate, correlation: float
) -> tuple[float, float]:
    """Those of the rate after less that before, of hits of the kinds that were shown."""
    difference = after.middle - before.middle
    below, above = after.middle - after.shown[0], after.shown[1] - after.middle
    was_below, was_above = before.middle - before.shown[0], before.shown[1] - before.middle
    return (
        difference - _distance(below, was_above, correlation),
        difference + _distance(above, was_below, correlation),
    )


def _correlation(before: StageEstimate, after: StageEstimate) -> float:
    """That of two estimates; a few hits show one that makes the difference look certain."""
    if not before.error or not after.error:
        return 0.0
    found = covariance(before.units, after.units) / (before.error * after.error)
    most = 1.0 if before.is_firm and after.is_firm else 0.0
    return min(max(found, -1.0), most)


def _distance(one: float, other: float, correlation: float) -> float:
    """How far the limit of a difference is, where those of the two rates are so far."""
    if math.isinf(one) or math.isinf(other):
        return math.inf
    return math.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))


def _ratio(
    before: StageEstimate, after: StageEstimate, correlation: float
) -> tuple[float | None, float | None, float | None]:
    """The ratio and its limits R, where after − R·before has the limit 0."""
    if before.rate is None and after.rate is None:
        return None, None, None
    ratio = after.middle / before.middle if before.middle else None
    low = _root(before, after, correlation, upper=False)
    high = _root(before, after, correlation, upper=True)
    return ratio, low, high


def _root(before: StageEstimate, after: StageEstimate, correlation: float, *, upper: bool) -> float:
    """The R of R²·a − 2·R·b + c = 0, with the distances of the limits that meet there."""
    b1, b2 = before.middle, before.low if upper else before.high
    a1, a2 = after.middle, after.high if upper else after.low
    if upper and not b2:
        return math.inf
    a, c = b2 * (2 * b1 - b2), a2 * (2 * a1 - a2)
    b = a1 * b1 - correlation * abs(a1 - a2) * abs(b1 - b2)
    root = math.sqrt(max(b**2 - a * c, 0.0))
    if not a:
        return math.inf if upper else c / (2 * b) if b else 0.0
    return max((b + root) / a if upper else (b - root) / a, 0.0)

"""How often a behaviour is at the stages of a chain, and what each step of training changed.

A stage between two others is `after` of one pair and `before` of the next: the replies of either
pair are a weighted sample of it. Where both sample the very same distribution the two estimates
are one, Σ λ_j·rate_j with Σ λ_j = 1, each weighed with the plain replies that it is worth where
that is known, else with the effective size of all its replies, which does not depend on hits.

What steps change are differences of such estimates. Replies that were drawn with the same noise
depend on each other, within a pair and from pair to pair, so that errors are added up over units
of noise before they are squared. Limits of differences and ratios are made of those of the two
rates (MOVER: Zou and Donner 2008, Donner and Zou 2012). docs/estimate.md has it on one page.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from logit_amp_chat.core.analysis.balance_weights import PromptSample
from logit_amp_chat.core.analysis.proportions import effective_wilson, no_hit_limit, student
from logit_amp_chat.core.analysis.true_rate import (
    Over,
    UnitEstimate,
    estimate_units,
    few_warning,
)
from logit_amp_chat.core.analysis.unit_deviations import SEEN, degrees_of

Unit = Hashable
"""What is independent: a prompt with an α and a number, with a number alone, or alone."""

Deviations = Mapping[Unit, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSample:
    """What one pair says of one stage: its estimate, and the units that its error is made of."""

    found: UnitEstimate
    units: Deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """The rate of a behaviour at a stage, or a mean, with 95 % limits.

    `rate` is None where there is a limit alone; `error` then too. `middle` is the rate, else what
    every reply shows, 0 or 1. `pairs` say how many pairs it is from. `is_firm`: a pair has at
    least 30 effective hits and non-hits. `warnings` are sentences.
    """

    rate: float | None
    low: float
    high: float
    error: float | None
    middle: float
    units: Deviations
    hits: int
    effective_size: float
    pairs: int
    is_firm: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """What one step of training changed, with 95 % limits.

    `difference` is the rate after less that before, None where both are limits alone; `ratio`
    that after over that before, None where there is no such number, and of means; `ratio_high` is
    infinite where the rate before may be 0. `correlation` is that of the two estimates.
    """

    difference: float | None
    low: float
    high: float
    correlation: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None

    @property
    def rises(self) -> bool:
        """Whether the step raised it, beyond the limits."""
        return self.low > 0

    @property
    def falls(self) -> bool:
        """Whether the step lowered it, beyond the limits."""
        return self.high < 0


def stage_sample(
    samples: Sequence[PromptSample],
    grid: Sequence[float],
    *,
    alpha: float,
    numeric: bool,
    over: Over,
    coupled: bool,
) -> StageSample:
    """What the replies of a pair say of its model at `alpha`, one of the αs `grid` (K,).

    The other arguments, and errors, are those of `estimate`.
    """
    found = estimate_units(
        samples, target=grid.index(alpha), numeric=numeric, over=over, coupled=coupled
    )
    names = _units(samples, grid, over, coupled)
    pairs = zip(names, found.deviations.tolist(), strict=True)
    return StageSample(found=found, units=dict(pairs))


def _units(
    samples: Sequence[PromptSample], grid: Sequence[float], over: Over, coupled: bool
) -> Sequence[Unit]:
    """The names of units in their order: the same in every pair where the noise is the same."""
    if over == "prompts":
        return list(range(len(samples)))
    drawn = [
        (place, grid[column], n)
        for place, sample in enumerate(samples)
        for column, n in zip(sample.stratum.tolist(), sample.n.tolist(), strict=True)
    ]
    if coupled:
        return sorted({(place, n) for place, _, n in drawn})
    return drawn


def stage_estimate(
    samples: Sequence[StageSample], *, numeric: bool, over: Over, coupled: bool
) -> StageEstimate:
    """One estimate from those of one pair, or of two that sample the same distribution."""
    if len(samples) == 1:
        (sample,) = samples
        found = sample.found.estimate
        return StageEstimate(
            rate=found.rate,
            low=found.low,
            high=found.high,
            error=found.error,
            middle=sample.found.total,
            units=sample.units,
            hits=found.hits,
            effective_size=found.effective_size,
            pairs=1,
            is_firm=sample.found.is_firm,
            warnings=found.warnings,
        )
    shares = _shares(samples, numeric)
    units = _combined(samples, shares)
    middle = sum(share * one.found.total for share, one in zip(shares, samples, strict=True))
    error = _joint_error(samples, shares, middle, numeric)
    alone = all(one.found.estimate.rate is None for one in samples)
    limits = _limits if alone and not 0 < middle < 1 else _mean_limits if numeric else _rate_limits
    low, high = limits(samples, middle, error, units, dependent=coupled or over == "prompts")
    size = sum(one.found.estimate.effective_size for one in samples)
    warnings = [said for one in samples for said in one.found.doubts]
    if not alone:
        warnings = [*few_warning(size, "reply" if numeric else "hit"), *warnings]
    return StageEstimate(
        rate=None if alone else middle,
        low=low,
        high=high,
        error=None if alone else error,
        middle=middle,
        units=units,
        hits=sum(one.found.estimate.hits for one in samples),
        effective_size=size,
        pairs=len(samples),
        is_firm=any(one.found.is_firm for one in samples),
        warnings=(*dict.fromkeys(warnings), *_disagreement(samples)),
    )


def _shares(samples: Sequence[StageSample], numeric: bool) -> list[float]:
    """What each sample counts: as many plain replies as it is worth.

    With few effective hits that would follow from which were drawn, and a sample without the
    rarest ones would count most.
    """
    worth = []
    for one in samples:
        plain = one.found.estimate.plain_equivalent if one.found.is_firm else None
        worth.append(one.found.size if plain is None or numeric else plain)
    total = sum(worth)
    return [one / total if total else 1 / len(worth) for one in worth]


def _combined(samples: Sequence[StageSample], shares: Sequence[float]) -> Deviations:
    units: dict[Unit, float] = {}
    for share, one in zip(shares, samples, strict=True):
        for unit, deviation in one.units.items():
            units[unit] = units.get(unit, 0.0) + share * deviation
    return units


def _joint_error(
    samples: Sequence[StageSample], shares: Sequence[float], middle: float, numeric: bool
) -> float:
    """√Σ λ_i·λ_j·cov_ij. With few effective hits a sample has the error of its own replies."""
    errors = []
    for one in samples:
        found = one.found.estimate
        error = found.error or 0.0
        if not numeric and found.plain_equivalent is None and one.found.own:
            error = max(error, math.sqrt(max(middle * (1 - middle), 0.0) / one.found.own))
        errors.append(error)
    square = sum((share * error) ** 2 for share, error in zip(shares, errors, strict=True))
    square += 2 * math.prod(shares) * covariance(samples[0].units, samples[1].units)
    return math.sqrt(max(square, 0.0))


def covariance(one: Deviations, other: Deviations) -> float:
    """The covariance of two estimates, from the units that they share."""
    return sum(deviation * other[unit] for unit, deviation in one.items() if unit in other)


def _limits(
    samples: Sequence[StageSample],
    middle: float,
    error: float,
    units: Deviations,
    *,
    dependent: bool,
) -> tuple[float, float]:
    """Without a hit, or a non-hit, the stage's own replies bound the rate, of all pairs."""
    every = [one.found.own for one in samples]
    bound = no_hit_limit(max(every) if dependent else sum(every))
    return (1 - bound, 1.0) if middle else (0.0, bound)


def _rate_limits(
    samples: Sequence[StageSample],
    middle: float,
    error: float,
    units: Deviations,
    *,
    dependent: bool,
) -> tuple[float, float]:
    """As of a single pair: Wilson's limits, with room for what no reply showed.

    That is the room of the pair which leaves less: what one α suppresses may be unseen in both.
    """
    low, high = effective_wilson(middle, error, degrees_of(np.array(list(units.values()))))
    unseen = no_hit_limit(max(one.found.size for one in samples))
    if middle > 0.5:
        return min(low, max(middle - unseen, 0.0)), high
    return low, max(high, min(middle + unseen, 1.0))


def _mean_limits(
    samples: Sequence[StageSample],
    middle: float,
    error: float,
    units: Deviations,
    *,
    dependent: bool,
) -> tuple[float, float]:
    reach = student(degrees_of(np.array(list(units.values())))) * error
    return middle - reach, middle + reach


def _disagreement(samples: Sequence[StageSample]) -> tuple[str, ...]:
    """What to say where two samples of a stage are further apart than chance has it."""
    errors = [one.found.estimate.error for one in samples]
    if not all(one.found.is_firm for one in samples) or None in errors:
        return ()
    apart = abs(samples[0].found.total - samples[1].found.total)
    square = sum(error**2 for error in errors if error is not None)
    square -= 2 * covariance(samples[0].units, samples[1].units)
    if apart <= SEEN * math.sqrt(max(square, 0.0)):
        return ()
    return (
        f"Its two pairs are more than {SEEN} standard errors apart: do not trust the estimate.",
    )


# --- steps ----------------------------------------------------------------------


def step_change(before: StageEstimate, after: StageEstimate, *, numeric: bool) -> StepChange:
    """What the step from one stage to the next changed."""
    correlation = _correlation(before, after)
    below, above = after.middle - after.low, after.high - after.middle
    was_below, was_above = before.middle - before.low, before.high - before.middle
    difference = after.middle - before.middle
    known = before.rate is not None or after.rate is not None
    ratio = (None, None, None) if numeric else _ratio(before, after, correlation)
    return StepChange(
        difference=difference if known else None,
        low=difference - _distance(below, was_above, correlation),
        high=difference + _distance(above, was_below, correlation),
        correlation=correlation,
        ratio=ratio[0],
        ratio_low=ratio[1],
        ratio_high=ratio[2],
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

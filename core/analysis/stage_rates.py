"""How often a behaviour is at the stages of a chain, and what each step of training changed.

A stage between two others is `after` of one pair and `before` of the next: the replies of either
pair are a weighted sample of it. Where both sample the very same distribution the two estimates
are one, Σ λ_j·rate_j with Σ λ_j = 1, each weighed with the plain replies that it is worth where
that is known, else with the effective size of all its replies, which does not depend on hits.

Replies that were drawn with the same noise depend on each other, within a pair and from pair to
pair, so that errors are added up over units of noise before they are squared. docs/estimate.md
has it on one page.
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

DIFFER = 2
"""Standard errors from which on two samples of one stage differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSample:
    """What one pair says of one stage: its estimate, and the units that its error is made of."""

    found: UnitEstimate
    units: Deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """The rate of a behaviour at a stage, or a mean, with 95 % limits.

    `rate` is None where there is a limit alone; `error` then too. `middle` is the rate, else what
    every reply shows, 0 or 1. `shown` are the limits of hits of the kinds that replies showed;
    `low` and `high` have room for others. `pairs` say how many pairs it is from. `is_firm`: a
    pair has at least 30 effective hits and non-hits. `warnings` are sentences.
    """

    rate: float | None
    low: float
    high: float
    error: float | None
    middle: float
    shown: tuple[float, float]
    units: Deviations
    hits: int
    effective_size: float
    pairs: int
    is_firm: bool
    warnings: tuple[str, ...]

    @property
    def room(self) -> tuple[float, float]:
        """How far the limits go beyond those of `shown`, below and above."""
        return (
            0.0 if self.low == self.shown[0] else self.shown[0] - self.low,
            0.0 if self.high == self.shown[1] else self.high - self.shown[1],
        )


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
            shown=_shown(found.rate, (found.low, found.high), found.error, sample.units, numeric),
            units=sample.units,
            hits=found.hits,
            effective_size=found.effective_size,
            pairs=1,
            is_firm=sample.found.is_firm,
            warnings=found.warnings,
        )
    shares = _shares(samples, numeric)
    units = _combined(samples, shares)
    middle = _middle(samples, shares)
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
        shown=_shown(None if alone else middle, (low, high), error, units, numeric),
        units=units,
        hits=sum(one.found.estimate.hits for one in samples),
        effective_size=size,
        pairs=len(samples),
        is_firm=any(one.found.is_firm for one in samples),
        warnings=(*dict.fromkeys(warnings), *_disagreement(samples, middle, numeric)),
    )


def _shares(samples: Sequence[StageSample], numeric: bool) -> list[float]:
    """What each sample counts: as many plain replies as it is worth.

    With few effective hits that is not known, and it counts with the size of all its replies. A
    sample that lacks a kind of hits seems worth most: samples that differ count with the stage's
    own replies, which no draw decides.
    """
    worth = []
    for one in samples:
        plain = one.found.estimate.plain_equivalent if one.found.is_firm else None
        worth.append(one.found.size if plain is None or numeric else plain)
    shares = _normed(worth)
    if _apart(samples, _middle(samples, shares), numeric) > DIFFER:
        return _normed([float(one.found.own) for one in samples])
    return shares


def _normed(worth: Sequence[float]) -> list[float]:
    total = sum(worth)
    return [one / total if total else 1 / len(worth) for one in worth]


def _middle(samples: Sequence[StageSample], shares: Sequence[float]) -> float:
    return sum(share * one.found.total for share, one in zip(shares, samples, strict=True))


def _apart(samples: Sequence[StageSample], middle: float, numeric: bool) -> float:
    """How many standard errors two samples are apart, if the rate is `middle`."""
    one, other = (_error(sample, middle, numeric) for sample in samples)
    square = one**2 + other**2 - 2 * covariance(samples[0].units, samples[1].units)
    distance = abs(samples[0].found.total - samples[1].found.total)
    return distance / math.sqrt(square) if square > 0 else math.inf if distance else 0.0


def _combined(samples: Sequence[StageSample], shares: Sequence[float]) -> Deviations:
    units: dict[Unit, float] = {}
    for share, one in zip(shares, samples, strict=True):
        for unit, deviation in one.units.items():
            units[unit] = units.get(unit, 0.0) + share * deviation
    return units


def _joint_error(
    samples: Sequence[StageSample], shares: Sequence[float], middle: float, numeric: bool
) -> float:
    """√Σ λ_i·λ_j·cov_ij."""
    errors = [_error(one, middle, numeric) for one in samples]
    square = sum((share * error) ** 2 for share, error in zip(shares, errors, strict=True))
    square += 2 * math.prod(shares) * covariance(samples[0].units, samples[1].units)
    return math.sqrt(max(square, 0.0))


def _error(one: StageSample, middle: float, numeric: bool) -> float:
    """The error of a sample; with few effective hits, that of the stage's own replies in it."""
    found = one.found.estimate
    error = found.error or 0.0
    if numeric or found.plain_equivalent is not None or not one.found.own:
        return error
    return max(error, math.sqrt(max(middle * (1 - middle), 0.0) / one.found.own))


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


def _shown(
    rate: float | None,
    limits: tuple[float, float],
    error: float | None,
    units: Deviations,
    numeric: bool,
) -> tuple[float, float]:
    """The limits of hits of the kinds that were shown; without one, and of means, all there is."""
    if rate is None or error is None or numeric:
        return limits
    return effective_wilson(rate, error, degrees_of(np.array(list(units.values()))))


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


def _disagreement(samples: Sequence[StageSample], middle: float, numeric: bool) -> tuple[str, ...]:
    """What to say where two samples of a stage are further apart than chance has it."""
    firm = all(one.found.is_firm for one in samples)
    if not firm or _apart(samples, middle, numeric) <= SEEN:
        return ()
    return (
        f"Its two pairs are more than {SEEN} standard errors apart: one may lack a kind of hits.",
    )

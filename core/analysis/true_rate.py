"""How often a behaviour is in the replies of a target, from replies at several αs.

With the weights of `balance_weights` the rate for a prompt is (1/N) Σ w(x)·1[behaviour], and
the rate over prompts their mean: prompts weigh equally. Replies are drawn a fixed number of
times at each α, so that the error is that of a stratified sample (Owen and Zhou 2000),

    SE² = Σ_k (n_k/N)²·s_k²/n_k

with s_k the spread of w·1[behaviour] at α_k. docs/estimate.md has all of it on one page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from logit_amp_chat.core.analysis.balance_weights import (
    Floats,
    Grid,
    Ints,
    PromptSample,
    WeightedReplies,
    weigh,
)
from logit_amp_chat.core.analysis.proportions import effective_wilson, student, upper_limit
from logit_amp_chat.core.errors import UsageError

Over = Literal["replies", "prompts"]

ENOUGH = 30
"""As many effective hits, and what is not a hit, call for controls and for no warning."""

FEW = 5
"""With fewer effective hits the target's own replies bound the rate as well."""

LEAST_PROMPTS = 50
"""With fewer, the spread between prompts is known too badly for an interval."""

NOTHING = 1e-100
"""A weight that is none: squares of less are 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The rate of a behaviour under the target, or a mean, with 95 % limits.

    `rate` is None where there is a limit alone: without a hit, or without a reply that is none.
    `error` is the standard error. `hits` are counted, `effective_size` is (Σw)²/Σw² over them;
    of a number, over all replies. `mean_weight` is that of whole replies, 1 in expectation, with
    its standard error. `plain_equivalent` is how many plain replies of the target would have
    the same error. `warnings` are sentences.
    """

    rate: float | None
    low: float
    high: float
    error: float | None
    hits: int
    effective_size: float
    mean_weight: float
    mean_weight_error: float
    plain_equivalent: float | None
    warnings: tuple[str, ...]


def estimate(
    samples: Sequence[PromptSample],
    *,
    target: int | None,
    numeric: bool = False,
    over: Over = "replies",
    coupled: bool = False,
) -> Estimate:
    """The rate under the target: the column `target`, or None for that of `log_target`.

    `numeric` values are numbers, whose mean is estimated; else they are 1 or 0. The prompts are
    fixed, and the error is that of their replies; `over` prompts they are a sample of prompts.
    `coupled` replies to a prompt share their noise where they have the same `n`: what is
    independent, and counted, is then the samples n.

    Raises UsageError over fewer than 50 prompts, and ValueError for samples that cannot be
    counted.
    """
    replies = weigh(samples, target, coupled)
    if not numeric and not np.isin(replies.value, (0.0, 1.0)).all():
        raise ValueError("A value is neither 1 nor 0, and is not said to be a number.")
    if over == "prompts" and len(samples) < LEAST_PROMPTS:
        raise UsageError(
            f"An interval over prompts needs {LEAST_PROMPTS} prompts, and there are"
            f" {len(samples)}.",
            "Add prompts, or leave them fixed: the interval is then about these prompts.",
        )
    mean_weight = float(replies.whole_weight.sum())
    mean_error = _error(_within(replies.whole_weight[:, None], replies)[:, 0])
    warnings = _weight_warning(mean_weight, mean_error) + _single_warning(replies)
    if numeric:
        found = _mean(replies, over)
    elif not _occurs(replies.value, replies) or not _occurs(1 - replies.value, replies):
        found = _limit(samples, replies, target, over)
    else:
        found = _rate(samples, replies, target, over)
    return Estimate(
        rate=found.rate,
        low=found.low,
        high=found.high,
        error=found.error,
        hits=len(replies.value) if numeric else int(replies.value.sum()),
        effective_size=_effective_hits(replies.value, replies, numeric),
        mean_weight=mean_weight,
        mean_weight_error=mean_error,
        plain_equivalent=None if numeric else found.plain_equivalent,
        warnings=(*found.warnings, *warnings),
    )


def curve(
    samples: Sequence[PromptSample],
    columns: Sequence[int],
    *,
    numeric: bool = False,
    over: Over = "replies",
    coupled: bool = False,
) -> tuple[Estimate, ...]:
    """The estimate with each of `columns` as the target, from all replies; as `estimate`."""
    return tuple(
        estimate(samples, target=column, numeric=numeric, over=over, coupled=coupled)
        for column in columns
    )


@dataclass(frozen=True, slots=True)
class _Found:
    rate: float | None
    low: float
    high: float
    error: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def plain_equivalent(self) -> float | None:
        if not self.rate or not self.error or self.rate == 1:
            return None
        return self.rate * (1 - self.rate) / self.error**2


def _rate(
    samples: Sequence[PromptSample], replies: WeightedReplies, target: int | None, over: Over
) -> _Found:
    """The rate where some replies are hits and some are not.

    What is rarer is estimated: of a common behaviour its absence, whose weights vary less.
    """
    hit, other = replies.value, 1 - replies.value
    rare = bool(hit @ replies.weight <= other @ replies.weight)
    event = hit if rare else other
    sizes = [_effective(value, replies) for value in (hit, other)]
    total, error, degrees = _total(event, replies, over, controlled=min(sizes) >= ENOUGH)
    share = min(max(total, 0.0), 1.0)
    low, high = effective_wilson(share, error, degrees)
    size = sizes[0] if rare else sizes[1]
    if size < FEW:
        hits, plain = _own(samples, target, over, event_is=1.0 if rare else 0.0)
        high = max(high, upper_limit(hits, plain))
    warnings = _few(size, "hit" if rare else "non-hit")
    if over == "prompts":
        warnings += _few(degrees + 1, "prompt")
    if not rare:
        share, low, high = 1 - share, 1 - high, 1 - low
    return _Found(share, low, high, error, warnings)


def _limit(
    samples: Sequence[PromptSample], replies: WeightedReplies, target: int | None, over: Over
) -> _Found:
    """The limit without a hit, or without a reply that is none.

    The target's own replies bound it, all n_* of them: without a hit the mean rate r of P
    prompts with n each has (1 − r)^{P·n} ≥ Π (1 − r_p)^n ≥ 0.05. The other αs say nothing of
    what they do not raise.
    """
    none = not _occurs(replies.value, replies)
    _, plain = _own(samples, target, over, event_is=1.0)
    bound = upper_limit(0, plain)
    kind = "No reply is a hit" if none else "Every reply is a hit"
    if not plain:
        return _Found(None, 0.0, 1.0, warnings=(f"{kind}, and the target has none of its own.",))
    which = "upper" if none else "lower"
    said = f"{kind}: the {which} limit is that of the {plain:,} replies at the target alone."
    return _Found(None, 0.0 if none else 1 - bound, bound if none else 1.0, warnings=(said,))


def _mean(replies: WeightedReplies, over: Over) -> _Found:
    """The mean of a number, with limits by Student's t."""
    ones = np.ones_like(replies.value)
    size = _effective(ones, replies)
    total, error, degrees = _total(replies.value, replies, over, controlled=size >= ENOUGH)
    reach = student(min(degrees, size - 1)) * error
    return _Found(total, total - reach, total + reach, error, _few(size, "reply"))


def _total(
    value: Floats, replies: WeightedReplies, over: Over, *, controlled: bool
) -> tuple[float, float, float]:
    """Σ w·value with its standard error and degrees of freedom.

    If `controlled`, regressed on what is known: E[q_k/q_mix] = 1 for every α (Owen and Zhou
    2000), with coefficients that minimize the stratified error.
    """
    terms = replies.weight * value
    factor = 1.0
    if controlled:
        spread = _within(np.column_stack([terms, replies.controls]), replies)
        slopes, _, rank, _ = np.linalg.lstsq(spread[:, 1:], spread[:, 0])
        terms = terms - replies.controls @ slopes
        factor = len(spread) / max(len(spread) - int(rank), 1)
    if over == "prompts":
        units = _sums(terms[:, None], replies.prompt)[:, 0]
        deviations = (units - units.mean()) * math.sqrt(len(units) / (len(units) - 1))
        size = _size(_sums((replies.weight * value)[:, None], replies.prompt)[:, 0])
    else:
        deviations = _within(terms[:, None], replies)[:, 0]
        size = _effective(value, replies)
    return float(terms.sum()), _error(deviations) * math.sqrt(factor), size - 1


def _within(terms: Grid, replies: WeightedReplies) -> Grid:
    """What each independent unit adds to Σ terms beyond its strata's means: (U, C) of (R, C).

    The sum of squares is the variance of Σ terms. A stratum of one reply has no known mean: its
    term stays whole, which makes the variance larger on average, never smaller.
    """
    counts = np.bincount(replies.stratum)
    means = _sums(terms, replies.stratum) / counts[:, None]
    means[counts == 1] = 0
    scale = np.sqrt(counts / np.maximum(counts - 1, 1))
    return _sums((terms - means[replies.stratum]) * scale[replies.stratum, None], replies.unit)


def _sums(terms: Grid, group: Ints) -> Grid:
    """Sums over groups numbered from 0: (G, C) of (R, C)."""
    sums = np.zeros((int(group.max()) + 1, terms.shape[1]))
    np.add.at(sums, group, terms)
    return sums


def _error(deviations: Floats) -> float:
    return math.sqrt(float(deviations @ deviations))


def _size(weights: Floats) -> float:
    """(Σw)²/Σw²: as many equal weights would vary as much; 0 where all are 0."""
    most = float(np.abs(weights).max())
    if most < NOTHING:
        return 0.0
    scaled = weights / most
    return float(scaled.sum() ** 2 / (scaled @ scaled))


def _effective(value: Floats, replies: WeightedReplies) -> float:
    return _size(_sums((replies.weight * value)[:, None], replies.unit)[:, 0])


def _effective_hits(value: Floats, replies: WeightedReplies, numeric: bool) -> float:
    return _effective(np.ones_like(value) if numeric else value, replies)


def _occurs(value: Floats, replies: WeightedReplies) -> bool:
    """Whether there is such a reply that the target could say."""
    return float(value @ replies.weight) > NOTHING


def _own(
    samples: Sequence[PromptSample], target: int | None, over: Over, event_is: float
) -> tuple[int, int]:
    """How many of the target's own replies have this value, and how many replies count.

    With unequal numbers each prompt counts with the smallest, which is the safe side; over
    prompts each counts once, as its replies are alike.
    """
    if target is None:
        return 0, 0
    own = [sample.value[sample.stratum == target] for sample in samples]
    least = min(len(values) for values in own)
    least = min(least, 1) if over == "prompts" else least
    hits = sum(math.ceil(float((v == event_is).mean()) * least) for v in own) if least else 0
    return hits, least * len(samples)


def _few(size: float, what: str) -> tuple[str, ...]:
    if size >= ENOUGH:
        return ()
    number = math.floor(size + 1e-9)
    plural = what if number == 1 else "replies" if what == "reply" else f"{what}s"
    return (f"Only {number} effective {plural}: the interval is rough.",)


def _weight_warning(mean: float, error: float) -> tuple[str, ...]:
    if abs(mean - 1) <= 3 * error + 1e-6:
        return ()
    return (f"The mean weight is {mean:.3g} ± {error:.1g}, not 1: do not trust the estimate.",)


def _single_warning(replies: WeightedReplies) -> tuple[str, ...]:
    if (np.bincount(replies.stratum) > 1).all():
        return ()
    return ("Some prompts have one reply at an α: the error is an upper bound.",)

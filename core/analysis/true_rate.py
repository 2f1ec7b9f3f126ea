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
from logit_amp_chat.core.analysis.proportions import (
    effective_wilson,
    no_hit_limit,
    student,
)
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.number_format import number

Over = Literal["replies", "prompts"]

ENOUGH = 30
"""As many effective hits, and what is not a hit, call for controls and for no warning."""

FEW = 5
"""With fewer effective hits it is not said how many plain replies they are worth."""

LEAST_DEGREES = 2
"""Its quantile, 4.3, is next to what a single count needs: Poisson's upper limit is 1 + 4.6."""

LEAST_PROMPTS = 50
"""With fewer, the spread between prompts is known too badly for an interval."""

DEPENDENT = 1e-8
"""A control, or the rest of a unit's leverage, that is a smaller part is rounding."""

SEEN = 3
"""Standard errors within which the sum of a control, or the mean weight, is what it has to be."""

HARMLESS = 1e-3
"""A mean weight as near to 1 is right: log-probabilities of long replies are rounded by more."""

ROUNDING = 1e-9
"""An error that is a smaller part of the rate is what is left of none."""

NOTHING = 1e-100
"""A weight that is none: squares of less are 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The rate of a behaviour under the target, or a mean, with 95 % limits.

    `rate` is None where there is a limit alone: without a hit, or without a reply that is none.
    `error` is the standard error of what the replies show. Hits of a kind that none of them
    shows, which are no part of it, are at most `unseen` more with 95 %: `high` has room for
    them; of rarer non-hits likewise. `hits` are counted, `effective_size` is (Σw)²/Σw² over them;
    of a number, over all replies. `mean_weight` is that of whole replies, 1 in expectation, with
    its standard error. `plain_equivalent` is how many plain replies of the target would have
    the same error, of the kinds of hits that are seen; None with few effective hits. `warnings`
    are sentences.
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
    unseen: float | None
    warnings: tuple[str, ...]


def estimate(
    samples: Sequence[PromptSample],
    *,
    target: int,
    numeric: bool = False,
    over: Over = "replies",
    coupled: bool = False,
) -> Estimate:
    """The rate under the target, the column of this number.

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
    check_over(over, len(samples))
    mean_weight = float(replies.whole_weight.sum())
    mean_error = _error(_within(replies.whole_weight[:, None], replies)[:, 0])
    warnings = _weight_warning(mean_weight, mean_error) + _single_warning(replies)
    if numeric:
        found = _mean(replies, over)
    elif not _occurs(replies.value, replies) or not _occurs(1 - replies.value, replies):
        found = _limit(samples, replies, target, over)
    else:
        found = _rate(replies, over)
    return Estimate(
        rate=found.rate,
        low=found.low,
        high=found.high,
        error=found.error,
        hits=len(replies.value) if numeric else int(replies.value.sum()),
        effective_size=_effective_hits(replies.value, replies, numeric),
        mean_weight=mean_weight,
        mean_weight_error=mean_error,
        plain_equivalent=found.plain_equivalent,
        unseen=found.unseen,
        warnings=(*found.warnings, *warnings),
    )


def check_over(over: Over, prompts: int) -> None:
    """Raises UsageError where so many prompts are too few for an interval over them."""
    if over == "prompts" and prompts < LEAST_PROMPTS:
        raise UsageError(
            f"An interval over prompts needs {LEAST_PROMPTS} prompts, and there are {prompts}.",
            "Add prompts, or leave them fixed: the interval is then about these prompts.",
        )


@dataclass(frozen=True, slots=True)
class _Found:
    rate: float | None
    low: float
    high: float
    error: float | None = None
    plain_equivalent: float | None = None
    unseen: float | None = None
    warnings: tuple[str, ...] = ()


def _rate(replies: WeightedReplies, over: Over) -> _Found:
    """The rate where some replies are hits and some are not.

    What is rarer is estimated: of a common behaviour its absence, whose weights vary less.
    """
    hit, other = replies.value, 1 - replies.value
    rare = bool(hit @ replies.weight <= other @ replies.weight)
    event = hit if rare else other
    sizes = [_effective(value, replies) for value in (hit, other)]
    size = sizes[0] if rare else sizes[1]
    total, error, degrees = _total(event, replies, over, controlled=min(sizes) >= ENOUGH)
    terms = replies.weight * event
    error = max(error, _one_more(terms, replies.prompt))
    share = min(max(total, 0.0), 1.0)
    low, high = effective_wilson(share, error, degrees)
    unseen = _unseen(replies)
    high = max(high, min(share + unseen, 1.0))
    warnings = _few(size, "hit" if rare else "non-hit")
    if over == "prompts":
        warnings += _few(_size(_sums(terms[:, None], replies.prompt)[:, 0]), "prompt")
    equivalent = share * (1 - share) / error**2 if size >= FEW else None
    if not rare:
        share, low, high = 1 - share, 1 - high, 1 - low
    return _Found(share, low, high, error, equivalent, unseen, warnings)


def _one_more(terms: Floats, prompt: Ints) -> float:
    """The error of one more hit of each prompt, as large as its largest.

    Where hits at an α are all alike, or the controls know their probability, their spread is
    next to nothing; that of what has not been drawn yet is not.
    """
    largest = np.zeros(int(prompt.max()) + 1)
    np.maximum.at(largest, prompt, terms)
    return _error(largest)


def _unseen(replies: WeightedReplies) -> float:
    """The upper limit of the rate of hits that no reply showed.

    Hits are known as far as they were drawn. Of those that no α raises, and that weigh what
    replies of the target weigh on average, the sweep has seen as many replies as its effective
    size: without one among them, the limit is that of no hit.
    """
    whole = _sums(replies.whole_weight[:, None], replies.unit)[:, 0]
    return no_hit_limit(_size(whole))


def _limit(
    samples: Sequence[PromptSample], replies: WeightedReplies, target: int, over: Over
) -> _Found:
    """The limit without a hit, or without a reply that is none.

    The target's own replies bound it, all n_* of them: without a hit the mean rate r of P
    prompts with n each has (1 − r)^{P·n} ≥ Π (1 − r_p)^n ≥ 0.05. The other αs say nothing of
    what they do not raise.
    """
    none = not _occurs(replies.value, replies)
    plain = _own(samples, target, over)
    bound = no_hit_limit(plain)
    which = "upper" if none else "lower"
    kind = _without(replies.value, "hit") if none else _without(1 - replies.value, "non-hit")
    if not plain:
        said = f"{kind}, and not every prompt has replies at the target: no {which} limit."
        return _Found(None, 0.0, 1.0, warnings=(said,))
    counted = "prompts" if over == "prompts" else "replies at the target"
    said = f"{kind}: the {which} limit is that of {plain:,} {counted}."
    return _Found(None, 0.0 if none else 1 - bound, bound if none else 1.0, warnings=(said,))


def _without(value: Floats, what: str) -> str:
    return f"No {what} has any weight" if value.any() else f"No reply is a {what}"


def _mean(replies: WeightedReplies, over: Over) -> _Found:
    """The mean of a number, with limits by Student's t."""
    ones = np.ones_like(replies.value)
    size = _effective(ones, replies)
    total, error, degrees = _total(replies.value, replies, over, controlled=size >= ENOUGH)
    reach = student(degrees) * error
    return _Found(total, total - reach, total + reach, error, warnings=_few(size, "reply"))


def _total(
    value: Floats, replies: WeightedReplies, over: Over, *, controlled: bool
) -> tuple[float, float, float]:
    """Σ w·value with its standard error and degrees of freedom.

    If `controlled`, regressed on what is known: E[q_k/q_mix] = 1 for every α. The degrees of
    freedom are the effective number of squared deviations, less one, and two at least: a few
    that are large make the error itself uncertain.
    """
    terms = replies.weight * value
    deviations = _within(terms[:, None], replies)[:, 0]
    if controlled:
        spread, totals = _within(replies.controls, replies), replies.controls.sum(axis=0)
        slopes, deviations = _regressed(deviations, spread, totals)
        terms = terms - replies.controls @ slopes
    if over == "prompts":
        rates = _sums(terms[:, None], replies.prompt)[:, 0]
        deviations = (rates - rates.mean()) * math.sqrt(len(rates) / (len(rates) - 1))
    total, error = float(terms.sum()), _error(deviations)
    error = error if error > ROUNDING * abs(total) else 0.0
    return total, error, max(_size(deviations**2) - 1, LEAST_DEGREES)


def _regressed(deviations: Floats, controls: Grid, totals: Floats) -> tuple[Floats, Floats]:
    """Coefficients of the controls (C,) that leave the least error, and what is left (U,).

    `deviations` (U,) and `controls` (U, C) are those of units, `totals` (C,) the sums of the
    controls. Each unit's rest is over one less its leverage, as without it in the fit: the
    jackknife's error, HC3 of MacKinnon and White (1985). Rests as they are understate the error
    where few units are hits.
    """
    units, sizes, axes = np.linalg.svd(controls, full_matrices=False)
    # The controls add up to 0 with the shares of their αs: one of them depends on the others.
    kept = sizes > DEPENDENT * sizes[0]
    # Where a sum is not 0 within its error, replies that matter for it were not drawn.
    kept &= np.abs(axes @ totals) <= SEEN * sizes
    units, sizes, axes = units[:, kept], sizes[kept], axes[kept]
    slopes: Floats = (units.T @ deviations / sizes) @ axes
    leverage = (units**2).sum(axis=1)
    rest: Floats = (deviations - controls @ slopes) / np.maximum(1 - leverage, DEPENDENT)
    return slopes, rest


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


def _own(samples: Sequence[PromptSample], target: int, over: Over) -> int:
    """How many of the target's own replies bound a rate that none of them shows.

    With unequal numbers each prompt counts with the smallest, which is the safe side; over
    prompts each counts once, as its replies are alike.
    """
    least = min(int(sample.counts[target]) for sample in samples)
    return (min(least, 1) if over == "prompts" else least) * len(samples)


def _few(size: float, what: str) -> tuple[str, ...]:
    if size >= ENOUGH:
        return ()
    shown = number(size)
    plural = what if shown == "1" else "replies" if what == "reply" else f"{what}s"
    return (f"Only {shown} effective {plural}: the interval is rough.",)


def _weight_warning(mean: float, error: float) -> tuple[str, ...]:
    if abs(mean - 1) <= SEEN * error + HARMLESS:
        return ()
    return (
        f"The mean weight is {mean:.3g}, more than {SEEN} standard errors from 1:"
        " do not trust the estimate.",
    )


def _single_warning(replies: WeightedReplies) -> tuple[str, ...]:
    if (np.bincount(replies.stratum) > 1).all():
        return ()
    return ("Some prompts have one reply at an α: the error is an upper bound.",)

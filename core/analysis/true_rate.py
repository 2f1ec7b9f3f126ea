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
from logit_amp_chat.core.analysis.unit_deviations import (
    NOTHING,
    SEEN,
    degrees_of,
    effective_size_of,
    error_of,
    group_sums,
    regressed,
    within_strata,
)
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.number_format import number

Over = Literal["replies", "prompts"]

ENOUGH = 30
"""As many effective hits, and what is not a hit, call for controls and for no warning."""

FEW = 5
"""With fewer effective hits it is not said how many plain replies they are worth."""

LEAST_PROMPTS = 50
"""With fewer, the spread between prompts is known too badly for an interval."""

HARMLESS = 1e-3
"""A mean weight as near to 1 is right: log-probabilities of long replies are rounded by more."""

ROUNDING = 1e-9
"""An error that is a smaller part of the rate is what is left of none."""


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
    """The rate under the target, the column of this number; the arguments of `estimate_units`."""
    return estimate_units(
        samples, target=target, numeric=numeric, over=over, coupled=coupled
    ).estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEstimate:
    """An estimate, and what of its error each independent unit is.

    `total` is the rate, where there is a limit alone 0 or 1. The squares of `deviations` (U,) add
    up to the squared error, as far as replies show it; their products with those of another
    estimate from the same noise add up to the covariance. `own` replies of the target bound a
    rate that none of them shows, `size` is the effective size of all replies. `is_firm`: there
    are at least 30 effective hits and non-hits. `doubts` are the warnings that are about the
    replies, whatever the behaviour.
    """

    estimate: Estimate
    total: float
    deviations: Floats
    own: int
    size: float
    is_firm: bool
    doubts: tuple[str, ...]


def estimate_units(
    samples: Sequence[PromptSample],
    *,
    target: int,
    numeric: bool = False,
    over: Over = "replies",
    coupled: bool = False,
) -> UnitEstimate:
    """The rate under the target, the column of this number, with the deviations of its units.

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
    mean_error = error_of(within_strata(replies.whole_weight[:, None], replies)[:, 0])
    doubts = _weight_warning(mean_weight, mean_error) + _single_warning(replies)
    if numeric:
        found = _mean(replies, over)
    elif not _occurs(replies.value, replies) or not _occurs(1 - replies.value, replies):
        found = _limit(samples, replies, target, over)
    else:
        found = _rate(replies, over)
    whole = Estimate(
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
        warnings=(*found.warnings, *doubts),
    )
    # Over prompts these are the units, whatever shares its noise.
    units = len(samples) if over == "prompts" else int(replies.unit.max()) + 1
    return UnitEstimate(
        estimate=whole,
        total=found.total,
        deviations=np.zeros(units) if found.deviations is None else found.deviations,
        own=_own(samples, target, over),
        size=_whole_size(replies),
        is_firm=found.is_firm,
        doubts=doubts,
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
    deviations: Floats | None = None
    is_firm: bool = False

    @property
    def total(self) -> float:
        """The rate or mean; of a limit alone what every reply shows."""
        return float(self.low > 0) if self.rate is None else self.rate


def _rate(replies: WeightedReplies, over: Over) -> _Found:
    """The rate where some replies are hits and some are not.

    What is rarer is estimated: of a common behaviour its absence, whose weights vary less.
    """
    hit, other = replies.value, 1 - replies.value
    rare = bool(hit @ replies.weight <= other @ replies.weight)
    event = hit if rare else other
    sizes = [_effective(value, replies) for value in (hit, other)]
    size = sizes[0] if rare else sizes[1]
    is_firm = min(sizes) >= ENOUGH
    total, deviations, degrees = _total(event, replies, over, controlled=is_firm)
    terms = replies.weight * event
    error = max(error_of(deviations), _one_more(terms, replies.prompt))
    share = min(max(total, 0.0), 1.0)
    low, high = effective_wilson(share, error, degrees)
    unseen = _unseen(replies)
    high = max(high, min(share + unseen, 1.0))
    warnings = few_warning(size, "hit" if rare else "non-hit")
    if over == "prompts":
        warnings += few_warning(
            effective_size_of(group_sums(terms[:, None], replies.prompt)[:, 0]), "prompt"
        )
    equivalent = share * (1 - share) / error**2 if size >= FEW else None
    if not rare:
        share, low, high, deviations = 1 - share, 1 - high, 1 - low, -deviations
    return _Found(share, low, high, error, equivalent, unseen, warnings, deviations, is_firm)


def _one_more(terms: Floats, prompt: Ints) -> float:
    """The error of one more hit of each prompt, as large as its largest.

    Where hits at an α are all alike, or the controls know their probability, their spread is
    next to nothing; that of what has not been drawn yet is not.
    """
    largest = np.zeros(int(prompt.max()) + 1)
    np.maximum.at(largest, prompt, terms)
    return error_of(largest)


def _unseen(replies: WeightedReplies) -> float:
    """The upper limit of the rate of hits that no reply showed.

    Hits are known as far as they were drawn. Of those that no α raises, and that weigh what
    replies of the target weigh on average, the sweep has seen as many replies as its effective
    size: without one among them, the limit is that of no hit.
    """
    return no_hit_limit(_whole_size(replies))


def _whole_size(replies: WeightedReplies) -> float:
    """(Σw)²/Σw² of whole replies: how many replies of the target they stand for."""
    return effective_size_of(group_sums(replies.whole_weight[:, None], replies.unit)[:, 0])


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
    is_firm = size >= ENOUGH
    total, deviations, degrees = _total(replies.value, replies, over, controlled=is_firm)
    error = error_of(deviations)
    reach = student(degrees) * error
    low, high, warnings = total - reach, total + reach, few_warning(size, "reply")
    return _Found(
        total, low, high, error, warnings=warnings, deviations=deviations, is_firm=is_firm
    )


def _total(
    value: Floats, replies: WeightedReplies, over: Over, *, controlled: bool
) -> tuple[float, Floats, float]:
    """Σ w·value with the deviations that are its error, and its degrees of freedom.

    If `controlled`, regressed on what is known: E[q_k/q_mix] = 1 for every α. The degrees of
    freedom are the effective number of squared deviations, less one, and two at least: a few
    that are large make the error itself uncertain.
    """
    terms = replies.weight * value
    deviations = within_strata(terms[:, None], replies)[:, 0]
    if controlled:
        spread, totals = within_strata(replies.controls, replies), replies.controls.sum(axis=0)
        slopes, deviations = regressed(deviations, spread, totals)
        terms = terms - replies.controls @ slopes
    if over == "prompts":
        rates = group_sums(terms[:, None], replies.prompt)[:, 0]
        deviations = (rates - rates.mean()) * math.sqrt(len(rates) / (len(rates) - 1))
    total, degrees = float(terms.sum()), degrees_of(deviations)
    if error_of(deviations) <= ROUNDING * abs(total):
        deviations = np.zeros_like(deviations)
    return total, deviations, degrees


def _effective(value: Floats, replies: WeightedReplies) -> float:
    return effective_size_of(group_sums((replies.weight * value)[:, None], replies.unit)[:, 0])


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


def few_warning(size: float, what: str) -> tuple[str, ...]:
    """What to say of an effective size that is small."""
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

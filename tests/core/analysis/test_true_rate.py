"""The estimate: its formula, its limits in the extremes, its warnings and refusals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from logit_amp_chat.core.analysis.balance_weights import PromptSample
from logit_amp_chat.core.analysis.true_rate import estimate
from logit_amp_chat.core.errors import UsageError

Rng = np.random.Generator


def prompt(rng: Rng, each: Sequence[int] = (12, 8, 10), rate: float = 0.4) -> PromptSample:
    """Replies with log-probabilities at random, of which some are hits."""
    count = sum(each)
    stopped = rng.normal(size=(count, len(each))) - 3
    return PromptSample(
        stratum=np.repeat(np.arange(len(each)), each),
        value=(rng.random(count) < rate).astype(float),
        log_q=stopped,
        whole_log_q=stopped - rng.random((count, len(each))),
        n=np.concatenate([np.arange(number) for number in each]),
    )


def with_hits(sample: PromptSample, *places: int) -> PromptSample:
    """The same replies, of which those at `places` are the hits."""
    value = np.zeros(len(sample.value))
    value[list(places)] = 1
    return replace(sample, value=value)


def plain(each: Sequence[int], hits: Sequence[int]) -> PromptSample:
    """Replies that are equally likely at every α: plain replies of all of them."""
    count = sum(each)
    value = [1.0] * 0
    for number, some in zip(each, hits, strict=True):
        value += [1.0] * some + [0.0] * (number - some)
    return PromptSample(
        stratum=np.repeat(np.arange(len(each)), each),
        value=np.array(value),
        log_q=np.full((count, len(each)), -5.0),
        whole_log_q=np.full((count, len(each)), -9.0),
        n=np.concatenate([np.arange(number) for number in each]),
    )


def by_hand(sample: PromptSample, target: int, *, whole: bool = False) -> tuple[float, float]:
    """Σ w·value / N of one prompt and its squared error, one reply after the other."""
    log_q = sample.whole_log_q if whole else sample.log_q
    total = len(sample.value)
    columns = range(log_q.shape[1])
    numbers = [sum(s == k for s in sample.stratum) for k in columns]
    terms: list[list[float]] = [[] for _ in columns]
    for row, k, value in zip(log_q, sample.stratum, sample.value, strict=True):
        mixture = sum(n / total * math.exp(q) for n, q in zip(numbers, row, strict=True))
        terms[k].append(math.exp(row[target]) / mixture * (1 if whole else value))
    rate = sum(map(sum, terms)) / total
    square = sum(
        (n / total) ** 2 * statistics.variance(of_k) / n
        for n, of_k in zip(numbers, terms, strict=True)
    )
    return rate, square


def test_rate_and_error_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    samples = [prompt(rng, each, rate=0.15) for each in ((12, 8, 10), (5, 5, 5), (3, 20, 9))]
    found = estimate(samples, target=1)
    rates, squares = zip(*(by_hand(sample, 1) for sample in samples), strict=True)
    assert found.rate == pytest.approx(statistics.mean(rates))
    assert found.error == pytest.approx(math.sqrt(sum(squares)) / 3)
    means, spreads = zip(*(by_hand(sample, 1, whole=True) for sample in samples), strict=True)
    assert found.mean_weight == pytest.approx(statistics.mean(means))
    assert found.mean_weight_error == pytest.approx(math.sqrt(sum(spreads)) / 3)
    assert found.hits == sum(int(sample.value.sum()) for sample in samples)
    assert found.rate is not None
    assert found.error is not None
    assert found.plain_equivalent == pytest.approx(found.rate * (1 - found.rate) / found.error**2)


def test_of_a_common_behaviour_its_absence_is_estimated() -> None:
    sample = prompt(np.random.default_rng(1), rate=0.9)
    found = estimate([sample], target=0)
    absent, square = by_hand(replace(sample, value=1 - sample.value), 0)
    assert found.rate == pytest.approx(1 - absent)
    assert found.error == pytest.approx(math.sqrt(square))
    assert found.low < 1 - absent < found.high


def test_hits_and_what_is_no_hit_mirror_each_other() -> None:
    sample = prompt(np.random.default_rng(2), rate=0.1)
    one = estimate([sample], target=2)
    other = estimate([replace(sample, value=1 - sample.value)], target=2)
    assert one.rate is not None
    assert other.rate == pytest.approx(1 - one.rate)
    assert (other.low, other.high) == pytest.approx((1 - one.high, 1 - one.low))
    assert (other.error, other.plain_equivalent) == pytest.approx((one.error, one.plain_equivalent))


def test_the_effective_size_is_that_of_the_hits_weights() -> None:
    sample = prompt(np.random.default_rng(3))
    weights = np.exp(sample.log_q[:, 0]) / (np.exp(sample.log_q) @ (np.array([12, 8, 10]) / 30))
    of_hits = weights[sample.value == 1]
    expected = of_hits.sum() ** 2 / (of_hits**2).sum()
    assert estimate([sample], target=0).effective_size == pytest.approx(expected)


def test_replies_of_the_target_alone_are_plain_replies() -> None:
    found = estimate([plain((0, 200, 0), (0, 50, 0))], target=1)
    assert found.rate == pytest.approx(0.25)
    assert found.plain_equivalent == pytest.approx(199)
    assert found.effective_size == pytest.approx(50)
    assert (found.mean_weight, found.mean_weight_error) == pytest.approx((1, 0))
    assert found.warnings == ()


def test_without_a_hit_the_targets_own_replies_give_the_upper_limit() -> None:
    found = estimate([plain((20, 40, 20), (0, 0, 0))] * 4, target=1)
    assert (found.rate, found.error, found.plain_equivalent) == (None, None, None)
    assert (found.low, found.high) == pytest.approx((0, 1 - 0.05 ** (1 / 160)))
    assert (found.hits, found.effective_size) == (0, 0)
    assert found.warnings == (
        "No reply is a hit: the upper limit is that of 160 replies at the target.",
    )


def test_with_hits_alone_they_give_the_lower_limit() -> None:
    found = estimate([plain((20, 40, 20), (20, 40, 20))], target=1)
    assert found.rate is None
    assert (found.low, found.high) == pytest.approx((0.05 ** (1 / 40), 1))
    assert found.warnings == (
        "No reply is a non-hit: the lower limit is that of 40 replies at the target.",
    )


def test_of_unequal_numbers_the_smallest_counts_for_every_prompt() -> None:
    samples = [plain((5, each), (0, 0)) for each in (40, 10, 25)]
    assert estimate(samples, target=1).high == pytest.approx(1 - 0.05 ** (1 / 30))


def test_over_prompts_each_counts_once() -> None:
    found = estimate([plain((5, 40), (0, 0))] * 50, target=1, over="prompts")
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 50))
    assert found.warnings == ("No reply is a hit: the upper limit is that of 50 prompts.",)


@pytest.mark.parametrize(
    ("hits", "said"),
    [
        (0, "No reply is a hit"),
        (9, "No reply is a non-hit"),
    ],
)
def test_without_replies_at_the_target_there_is_no_limit(hits: int, said: str) -> None:
    found = estimate([plain((9, 0), (hits, 0))], target=1)
    assert (found.rate, found.low, found.high) == (None, 0, 1)
    which = "upper" if hits == 0 else "lower"
    assert found.warnings == (
        f"{said}, and not every prompt has replies at the target: no {which} limit.",
    )


def test_hits_that_the_target_cannot_say_are_none() -> None:
    for log_prob in (-math.inf, -500.0):
        sample = plain((40, 40), (0, 3))
        sample.log_q[sample.value == 1, 0] = log_prob
        found = estimate([sample], target=0)
        assert (found.rate, found.hits) == (None, 3)
        assert found.high == pytest.approx(1 - 0.05 ** (1 / 40))
        assert found.warnings[0].startswith("No hit has any weight: the upper limit")


def test_few_effective_hits_are_said() -> None:
    sample = with_hits(prompt(np.random.default_rng(4), (40, 40)), 78)
    sample.log_q[78] = (-20.0, -2.0)
    found = estimate([sample], target=0)
    assert found.rate is not None
    assert found.rate < 1e-6
    assert "Only 1 effective hit: the interval is rough." in found.warnings


def test_the_upper_limit_leaves_room_for_hits_that_no_reply_showed() -> None:
    """As many as the effective size of all replies would show in 95 % of sweeps."""
    sample = prompt(np.random.default_rng(4), (40, 40))
    few = with_hits(sample, 70, 75)
    few.log_q[[70, 75]] = (-20.0, -2.0)
    found = estimate([few], target=0)
    weights = np.exp(few.whole_log_q[:, 0]) / np.exp(few.whole_log_q).mean(axis=1)
    size = weights.sum() ** 2 / (weights @ weights)
    assert found.rate is not None
    assert found.high == pytest.approx(found.rate + 1 - 0.05 ** (1 / size))
    many = replace(few, value=1 - few.value)
    assert estimate([many], target=0).low == pytest.approx(1 - found.high)


def test_what_few_hits_are_worth_is_not_said() -> None:
    four, five = (estimate([plain((40, 40), (2, hits))], target=0) for hits in (2, 3))
    assert four.plain_equivalent is None
    assert five.plain_equivalent == pytest.approx(79, rel=0.02)


def test_hits_that_are_all_alike_leave_the_error_of_one_more() -> None:
    """Every reply at the second α is a hit, and none at the first: no α has a spread."""
    samples = []
    for _ in range(2):
        sample = plain((40, 40), (0, 40))
        sample.log_q[sample.value == 1, 0] = -8.0
        samples.append(sample)
    weight = math.exp(-8) / (math.exp(-8) / 2 + math.exp(-5) / 2)
    found = estimate(samples, target=0)
    assert found.rate == pytest.approx(weight / 2)
    assert found.error == pytest.approx(weight / 80 / math.sqrt(2))


def test_warnings_count_what_is_rarer() -> None:
    rare, common = (estimate([plain((40, 40), hits)], target=0) for hits in ((4, 4), (36, 36)))
    assert rare.warnings == ("Only 8 effective hits: the interval is rough.",)
    assert common.warnings == ("Only 8 effective non-hits: the interval is rough.",)


def test_a_mean_weight_that_is_not_1_is_said() -> None:
    sample = plain((40, 40), (4, 4))
    sample.whole_log_q[:, 0] -= 1.0
    found = estimate([sample], target=0)
    weight = math.exp(-1) / (math.exp(-1) / 2 + 1 / 2)
    assert found.mean_weight == pytest.approx(weight)
    assert found.warnings[-1] == (
        "The mean weight is 0.538, more than 3 standard errors from 1: do not trust the estimate."
    )


def test_with_one_reply_at_an_alpha_the_error_is_the_larger_one_and_said() -> None:
    found = estimate([plain((1, 1, 1, 1), (1, 0, 0, 0))] * 20, target=0)
    # Σ_k (1/4)²·w² over 20 prompts, each 1/20 of the mean: the second moment, not the spread.
    assert found.error == pytest.approx(math.sqrt(20 / 16) / 20)
    assert found.rate == pytest.approx(0.25)
    assert "Some prompts have one reply at an α: the error is an upper bound." in found.warnings


def test_with_many_of_both_the_known_means_of_the_ratios_are_used() -> None:
    """The coefficients leave the least stratified error: here by the normal equations."""
    each = (60, 50, 40)
    sample = prompt(np.random.default_rng(10), each)
    found = estimate([sample], target=1)
    q = np.exp(sample.log_q)
    mixture = q @ (np.array(each) / 150)
    hits, others = (q[:, 1] / mixture * value for value in (sample.value, 1 - sample.value))
    rarer = min(hits, others, key=np.sum)
    assert rarer.sum() ** 2 / (rarer @ rarer) > 30
    ratios = q[:, :2] / mixture[:, None]
    centred = np.column_stack([rarer, ratios])
    for k, number in enumerate(each):
        of_k = sample.stratum == k
        centred[of_k] -= centred[of_k].mean(axis=0)
        centred[of_k] *= math.sqrt(number / (number - 1))
    slopes = np.linalg.solve(centred[:, 1:].T @ centred[:, 1:], centred[:, 1:].T @ centred[:, 0])
    rate = rarer.sum() / 150 - slopes @ (ratios - 1).sum(axis=0) / 150
    assert found.rate == pytest.approx(rate if rarer is hits else 1 - rate)
    # Without a reply the fit would miss it by the rest over one less its leverage.
    hat = centred[:, 1:] @ np.linalg.inv(centred[:, 1:].T @ centred[:, 1:]) @ centred[:, 1:].T
    rest = (centred[:, 0] - centred[:, 1:] @ slopes) / (1 - np.diag(hat))
    assert found.error == pytest.approx(math.sqrt(rest @ rest) / 150)


def test_with_few_of_either_they_are_not() -> None:
    sample = prompt(np.random.default_rng(11), (60, 50, 40), rate=0.1)
    found = estimate([sample], target=1)
    assert (found.rate, found.error) == pytest.approx(
        (by_hand(sample, 1)[0], math.sqrt(by_hand(sample, 1)[1]))
    )


def test_coupled_replies_count_as_samples() -> None:
    """The same replies at all three αs are a third as many."""
    sample = plain((60, 60, 60), (15, 15, 15))
    apart, together = (estimate([sample], target=0, coupled=c) for c in (False, True))
    assert apart.rate == pytest.approx(0.25)
    assert together.rate == pytest.approx(0.25)
    assert apart.plain_equivalent == pytest.approx(3 * 59)
    assert together.plain_equivalent == pytest.approx(59)
    assert (apart.effective_size, together.effective_size) == (45, 15)


def test_an_alpha_added_later_may_have_fewer_coupled_samples() -> None:
    sample = prompt(np.random.default_rng(5), (12, 8, 10), rate=0.2)
    found = estimate([sample], target=1, coupled=True)
    weights = np.exp(sample.log_q[:, 1]) / (np.exp(sample.log_q) @ (np.array([12, 8, 10]) / 30))
    deviations = dict.fromkeys(range(12), 0.0)
    for k, number in enumerate((12, 8, 10)):
        terms = (weights * sample.value)[sample.stratum == k]
        for n in range(number):
            scale = math.sqrt(number / (number - 1)) / 30
            deviations[n] += (terms[n] - statistics.fmean(terms)) * scale
    expected = math.sqrt(sum(value**2 for value in deviations.values()))
    assert found.error == pytest.approx(expected)


def test_over_prompts_the_error_is_the_spread_between_prompts() -> None:
    rng = np.random.default_rng(6)
    samples = [prompt(rng, (4, 4, 4), rate=rate) for rate in rng.uniform(0, 0.06, 60)]
    found = estimate(samples, target=1, over="prompts")
    rates = [by_hand(sample, 1)[0] for sample in samples]
    assert found.rate == pytest.approx(statistics.mean(rates))
    assert found.error == pytest.approx(statistics.stdev(rates) / math.sqrt(60))


def test_over_prompts_is_refused_below_fifty() -> None:
    samples = [plain((4, 4), (1, 1))] * 49
    with pytest.raises(UsageError, match="needs 50 prompts, and there are 49"):
        estimate(samples, target=0, over="prompts")
    assert estimate([*samples, samples[0]], target=0, over="prompts").rate is not None


def test_few_prompts_that_have_the_behaviour_are_said() -> None:
    samples = [plain((50, 50), (25, 25))] * 3 + [plain((50, 50), (0, 0))] * 60
    found = estimate(samples, target=0, over="prompts")
    assert found.warnings == ("Only 3 effective prompts: the interval is rough.",)


def test_of_a_number_the_mean_is_estimated() -> None:
    rng = np.random.default_rng(7)
    sample = replace(prompt(rng, (12, 8)), value=rng.normal(-5, 20, 20))
    found = estimate([sample], target=0, numeric=True)
    mean, square = by_hand(sample, 0)
    assert found.rate == pytest.approx(mean)
    assert found.error == pytest.approx(math.sqrt(square))
    assert found.low + found.high == pytest.approx(2 * mean)
    assert found.high - mean > 1.96 * math.sqrt(square)
    assert (found.hits, found.plain_equivalent) == (20, None)


def test_a_number_in_place_of_yes_and_no_is_refused() -> None:
    sample = replace(plain((4, 4), (1, 1)), value=np.linspace(0, 3, 8))
    with pytest.raises(ValueError, match="neither 1 nor 0"):
        estimate([sample], target=0)

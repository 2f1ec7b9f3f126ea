"""The rate at a stage from both of its pairs, and what a step changed: formulas and coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from logit_amp_chat.core.analysis.balance_weights import PromptSample
from logit_amp_chat.core.analysis.proportions import wilson
from logit_amp_chat.core.analysis.stage_rates import (
    StageEstimate,
    StageSample,
    covariance,
    stage_estimate,
    stage_sample,
)
from logit_amp_chat.core.analysis.step_changes import StepChange, step_change
from tests.core.analysis.simulated_chains import STAGES, chain, sweeps
from tests.core.analysis.simulated_sweeps import GRID, Outcomes
from tests.core.analysis.test_true_rate import plain

COUNT = 150
HABITS = (0.0058, 0.0024, 0.0437, 0.015)


def sample(
    samples: Sequence[PromptSample], alpha: float, *, coupled: bool = False, numeric: bool = False
) -> StageSample:
    return stage_sample(
        samples, GRID, alpha=alpha, numeric=numeric, over="replies", coupled=coupled
    )


def joined(samples: Sequence[StageSample], *, coupled: bool = False) -> StageEstimate:
    return stage_estimate(samples, numeric=False, over="replies", coupled=coupled)


# --- by hand ----------------------------------------------------------------------


def stage(middle: float, low: float, high: float, **changes: object) -> StageEstimate:
    made = StageEstimate(
        rate=middle,
        low=low,
        high=high,
        error=0.01,
        middle=middle,
        shown=(low, high),
        units={},
        hits=40,
        effective_size=40.0,
        pairs=1,
        is_firm=True,
        warnings=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_limits_of_a_difference_are_those_of_newcombe() -> None:
    """Method 10 of Newcombe (1998), his example a: 56/70 and 48/80."""
    before, after = stage(0.6, *wilson(48, 80)), stage(0.8, *wilson(56, 70))
    found = step_change(before, after, numeric=False)
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.rises
    assert not found.falls


def test_what_two_rates_share_cancels_in_their_difference() -> None:
    shared = {"a": 0.006, "b": 0.008}  # √(0.006² + 0.008²) = 0.01
    before = stage(0.3, 0.28, 0.32, units=shared)
    after = stage(0.35, 0.33, 0.37, units=shared)
    found = step_change(before, after, numeric=False)
    assert found.correlation == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((0.05, 0.05))
    apart = step_change(before, replace(after, units={"c": 0.01}), numeric=False)
    assert apart.correlation == 0
    assert apart.high - apart.low == pytest.approx(2 * math.hypot(0.02, 0.02))


def test_a_few_hits_do_not_make_a_difference_certain() -> None:
    shared = {"a": 0.01}
    before = stage(0.3, 0.28, 0.32, units=shared, is_firm=False)
    found = step_change(before, stage(0.35, 0.33, 0.37, units=shared), numeric=False)
    assert found.correlation == 0
    opposed = step_change(before, stage(0.35, 0.33, 0.37, units={"a": -0.01}), numeric=False)
    assert opposed.correlation == pytest.approx(-1)
    assert opposed.high == pytest.approx(0.05 + 0.04)


def test_at_the_limits_of_a_ratio_the_difference_is_at_its_own() -> None:
    before, after = stage(0.02, 0.01, 0.05), stage(0.3, 0.25, 0.4)
    found = step_change(before, after, numeric=False)
    assert found.ratio == pytest.approx(15)
    low, high = found.ratio_low, found.ratio_high
    assert low is not None
    assert high is not None
    assert 0.3 - low * 0.02 == pytest.approx(math.hypot(0.3 - 0.25, low * (0.05 - 0.02)))
    assert high * 0.02 - 0.3 == pytest.approx(math.hypot(0.4 - 0.3, high * (0.02 - 0.01)))


def test_from_none_there_is_a_least_ratio_alone() -> None:
    none = stage(0.0, 0.0, 0.03, rate=None, error=None)
    found = step_change(none, stage(0.3, 0.25, 0.4), numeric=False)
    assert (found.ratio, found.ratio_high) == (None, math.inf)
    assert found.ratio_low is not None
    assert 5 < found.ratio_low < 0.3 / 0.03
    assert found.difference == pytest.approx(0.3)
    both = step_change(none, none, numeric=False)
    assert (both.difference, both.ratio, both.ratio_low) == (None, None, None)
    assert (both.low, both.high) == pytest.approx((-0.03, 0.03))


def test_means_have_no_ratio_and_may_have_no_limits() -> None:
    endless = stage(3.0, -math.inf, math.inf)
    found = step_change(stage(2.0, 1.0, 3.0), endless, numeric=True)
    assert (found.ratio, found.ratio_low, found.ratio_high) == (None, None, None)
    assert (found.low, found.high) == (-math.inf, math.inf)


# --- joined -----------------------------------------------------------------------

EACH = (0, 0, 40, 0, 0, 0)


def test_plain_replies_of_both_pairs_are_counted_as_one_sample() -> None:
    one = plain((0, 0, 100, 0, 0, 0), (0, 0, 40, 0, 0, 0))
    other = plain((100, 0, 0, 0, 0, 0), (50, 0, 0, 0, 0, 0))
    found = joined([sample([one], 0.0), sample([other], -1.0)])
    assert found.rate == pytest.approx(0.45)
    assert found.error == pytest.approx(math.sqrt((0.24 + 0.25) / 99) / 2)
    assert (found.hits, found.pairs) == (90, 2)


def test_without_a_hit_the_replies_of_both_pairs_bound_the_rate() -> None:
    one = plain((0, 0, 40, 0, 0, 0), (0,) * 6)
    other = plain((30, 0, 0, 0, 0, 0), (0,) * 6)
    found = joined([sample([one], 0.0), sample([other], -1.0)])
    assert found.rate is None
    assert (found.low, found.high) == pytest.approx((0.0, 1 - 0.05 ** (1 / 70)))
    # Coupled samples n of both pairs are the same replies.
    coupled = joined(
        [sample([one], 0.0, coupled=True), sample([other], -1.0, coupled=True)], coupled=True
    )
    assert coupled.high == pytest.approx(1 - 0.05 ** (1 / 40))


def test_a_sample_without_a_hit_has_the_error_of_its_replies() -> None:
    one = plain((0, 0, 40, 0, 0, 0), (0, 0, 8, 0, 0, 0))
    other = plain((40, 0, 0, 0, 0, 0), (0,) * 6)
    found = joined([sample([one], 0.0), sample([other], -1.0)])
    assert found.rate == pytest.approx(0.1)
    own = 0.2 * 0.8 / 39  # the variance of the first, from its own hits
    assert found.error == pytest.approx(math.sqrt(own + 0.1 * 0.9 / 40) / 2)


def test_two_pairs_that_disagree_are_not_to_be_trusted() -> None:
    one = plain((0, 0, 400, 0, 0, 0), (0, 0, 100, 0, 0, 0))
    other = plain((400, 0, 0, 0, 0, 0), (200, 0, 0, 0, 0, 0))
    found = joined([sample([one], 0.0), sample([other], -1.0)])
    assert any("standard errors apart" in said for said in found.warnings)
    same = joined([sample([one], 0.0), sample([plain((400, *EACH[1:]), (100, *EACH[1:]))], -1.0)])
    assert not any("apart" in said for said in same.warnings)


def test_replies_that_are_the_same_in_both_pairs_tell_no_more_than_once() -> None:
    one = plain((0, 0, 100, 0, 0, 0), (0, 0, 40, 0, 0, 0))
    other = plain((100, 0, 0, 0, 0, 0), (40, 0, 0, 0, 0, 0))
    samples = [sample([one], 0.0, coupled=True), sample([other], -1.0, coupled=True)]
    alone = samples[0].found.estimate
    found = joined(samples, coupled=True)
    assert found.error == pytest.approx(alone.error)
    assert covariance(samples[0].units, samples[1].units) == pytest.approx(alone.error**2)  # type: ignore[operator]


# --- coverage ---------------------------------------------------------------------

KINDS: dict[str, list[list[Outcomes]]] = {
    "comes in with the first step": [chain([[0.001], [0.02], [0.02]])],
    "comes in with the second": [chain([[0.005], [0.005], [0.04]])],
    "goes out": [chain([[0.02], [0.02], [0.002]])],
    "common": [chain([[0.5], [0.9], [0.95]])],
    "as it was": [chain([[0.3], [0.3], [0.3]])],
    "four prompts": [chain([[rate / 10], [rate], [3 * rate]]) for rate in HABITS],
    "one route for another": [chain([[0.001, 0.02], [0.02, 0.001], [0.001, 0.02]])],
    "two routes": [chain([[0.02, 0.001], [0.01, 0.02], [0.002, 0.05]])],
}


@dataclass(frozen=True)
class Simulated:
    """Exact rates of the stages, and what simulated sweeps say of stages and steps."""

    exact: list[float]
    stages: list[list[StageEstimate]]
    steps: list[list[StepChange]]

    @classmethod
    @cache
    def of(cls, kind: str, coupled: bool = False, count: int = COUNT) -> Simulated:
        prompts = KINDS[kind]
        columns = ((0, GRID.index(-1.0)), (0, GRID.index(0.0)), (1, GRID.index(0.0)))
        exact = [
            math.fsum(prompt[pair].rate(column) for prompt in prompts) / len(prompts)
            for pair, column in columns
        ]
        found = cls(exact, [[] for _ in range(STAGES)], [[] for _ in range(STAGES - 1)])
        for pairs in sweeps(prompts, 40, count, seed=3, coupled=coupled):
            ends = [
                [sample(pair, alpha, coupled=coupled) for alpha in (-1.0, 0.0)] for pair in pairs
            ]
            samples = [[ends[0][0]], [ends[0][1], ends[1][0]], [ends[1][1]]]
            stages = [joined(one, coupled=coupled) for one in samples]
            for place, one in enumerate(stages):
                found.stages[place].append(one)
            for place in range(STAGES - 1):
                change = step_change(stages[place], stages[place + 1], numeric=False)
                found.steps[place].append(change)
        return found


def share(hold: Sequence[bool]) -> float:
    return sum(hold) / len(hold)


def test_the_stage_in_between_is_one_distribution_in_both_pairs() -> None:
    for prompts in KINDS.values():
        for first, second in prompts:
            at = GRID.index(0.0), GRID.index(-1.0)
            assert first.whole_log_q[:, at[0]] == pytest.approx(second.whole_log_q[:, at[1]])


@pytest.mark.parametrize("kind", KINDS)
def test_limits_of_a_stage_hold_its_exact_rate(kind: str) -> None:
    found = Simulated.of(kind)
    for exact, stages in zip(found.exact, found.stages, strict=True):
        assert share([one.low <= exact <= one.high for one in stages]) >= 0.90
        middles = [one.middle for one in stages]
        near = 4 * np.std(middles) / math.sqrt(COUNT) + 0.003
        assert np.mean(middles) == pytest.approx(exact, abs=near)


@pytest.mark.parametrize("kind", KINDS)
def test_limits_of_a_step_hold_its_exact_change(kind: str) -> None:
    found = Simulated.of(kind)
    for place, steps in enumerate(found.steps):
        before, after = found.exact[place : place + 2]
        assert share([one.low <= after - before <= one.high for one in steps]) >= 0.90
        ratio = after / before
        ratios = [(one.ratio_low, one.ratio_high) for one in steps]
        hold = [low is None or high is None or low <= ratio <= high for low, high in ratios]
        assert share(hold) >= 0.90


def test_a_step_that_changes_nothing_seldom_seems_to() -> None:
    found = Simulated.of("as it was")
    for steps in found.steps:
        assert share([one.rises or one.falls for one in steps]) <= 0.10


def test_the_step_that_a_habit_came_in_with_is_found() -> None:
    second = Simulated.of("comes in with the second")
    assert share([one.rises for one in second.steps[1]]) >= 0.9
    assert share([one.rises for one in second.steps[0]]) <= 0.05
    prompts = Simulated.of("four prompts")
    assert all(one.rises for steps in prompts.steps for one in steps)


@pytest.mark.parametrize("kind", ["as it was", "four prompts"])
def test_noise_that_pairs_and_alphas_share_is_accounted_for(kind: str) -> None:
    found = Simulated.of(kind, coupled=True)
    for exact, stages in zip(found.exact, found.stages, strict=True):
        assert share([one.low <= exact <= one.high for one in stages]) >= 0.90
    for place, steps in enumerate(found.steps):
        change = found.exact[place + 1] - found.exact[place]
        assert share([one.low <= change <= one.high for one in steps]) >= 0.90

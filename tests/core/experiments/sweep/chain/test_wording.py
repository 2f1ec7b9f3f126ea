"""What is said of stages and steps, in words that can be cited."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from logit_amp_chat.core.analysis.stage_rates import StageEstimate
from logit_amp_chat.core.analysis.step_changes import StepChange, step_change
from logit_amp_chat.core.experiments.sweep.chain import wording
from logit_amp_chat.core.experiments.sweep.chain.result import ChainBehaviour, StageRate, StageStep
from logit_amp_chat.core.experiments.sweep.result import Rate

SEEN = Rate(alpha=0.0, replies=40, hits=3, rate=0.075, low=0.026, high=0.199)


def estimate(rate: float | None, low: float, high: float, room: float = 0.0) -> StageEstimate:
    return StageEstimate(
        rate=rate,
        low=low,
        high=high,
        error=0.01,
        middle=rate or 0.0,
        shown=(low, high - room),
        units={},
        hits=40,
        effective_size=40.0,
        pairs=1,
        is_firm=True,
        warnings=(),
    )


def behaviour(*estimates: StageEstimate, numeric: bool = False) -> ChainBehaviour:
    stages = tuple(
        StageRate(stage=f"s{place}", seen=SEEN, estimate=one) for place, one in enumerate(estimates)
    )
    steps = tuple(
        StageStep(
            before=f"s{place}",
            after=f"s{place + 1}",
            change=step_change(estimates[place], estimates[place + 1], numeric=numeric),
        )
        for place in range(len(estimates) - 1)
    )
    return ChainBehaviour(
        name="habit",
        kind="pattern",
        numeric=numeric,
        definition={"kind": "pattern", "pattern": "x"},
        stages=stages,
        steps=steps,
        by_prompt=(),
    )


def test_a_rise_that_is_sure_has_its_interval_and_ratio() -> None:
    found = behaviour(estimate(0.02, 0.01, 0.03), estimate(0.2, 0.15, 0.25))
    origin, step = wording.steps(found)
    assert origin == "It came in with s1."
    # The ratios are the roots of 0.0003·R² − 0.008·R + 0.0375 = 0.
    assert step == (
        "s0 → s1 raises the rate from 2.00% to 20.0%, by +18.0 points (95% interval +12.9 to"
        " +23.1), 10 times (6.07 to 20.6)."
    )


def test_a_rise_of_what_was_seen_also_has_the_whole_interval() -> None:
    found = behaviour(estimate(0.001, 0.0005, 0.03, room=0.028), estimate(0.02, 0.015, 0.025))
    origin, step = wording.steps(found)
    assert origin == "What was seen of it came in with s1."
    assert step == (
        "s0 → s1 raises the rate from 0.100% to 2.00%, by +1.90 points (95% interval −1.41 to"
        " +2.40; of hits of the kinds that were seen +1.39 to +2.40)."
    )


def test_what_rose_by_less_than_half_of_itself_did_not_come_in() -> None:
    found = behaviour(estimate(0.5, 0.48, 0.52), estimate(0.7, 0.68, 0.72))
    (step,) = wording.steps(found)
    assert "raises the rate from 50.0% to 70.0%" in step
    assert found.came_in is None


def test_it_came_in_with_the_step_that_raised_it_most() -> None:
    found = behaviour(
        estimate(0.01, 0.009, 0.011), estimate(0.05, 0.045, 0.055), estimate(0.5, 0.45, 0.55)
    )
    assert wording.steps(found)[0] == "It came in with s2."


def test_a_fall_is_said_and_is_no_origin() -> None:
    found = behaviour(estimate(0.2, 0.15, 0.25), estimate(0.02, 0.01, 0.03))
    (step,) = wording.steps(found)
    assert step.startswith("s0 → s1 lowers the rate from 20.0% to 2.00%, by −18.0 points")


def test_what_may_be_chance_is_said_to_be() -> None:
    (step,) = wording.steps(behaviour(estimate(0.2, 0.1, 0.3), estimate(0.25, 0.15, 0.35)))
    assert step.endswith("(95% interval −9.14 to +19.1): that may be chance.")
    assert "times" not in step


def test_between_limits_alone_nothing_is_known() -> None:
    none = replace(estimate(None, 0.0, 0.03), error=None)
    (step,) = wording.steps(behaviour(none, none))
    assert step == ("s0 → s1: what it changed is not known, 95% interval −3.00 to +3.00 points.")
    (step, *_) = wording.steps(behaviour(none, estimate(0.02, 0.01, 0.04)))
    assert "from at most 3.00% to 2.00%" in step


def test_from_next_to_nothing_there_is_a_least_ratio() -> None:
    found = behaviour(estimate(1e-16, 1e-16, 0.01), estimate(0.3, 0.25, 0.35))
    *_, step = wording.steps(found)  # √(0.3² − 0.05²) / 0.01
    assert step.endswith(", at least 29.6 times.")


def test_means_have_differences_without_points() -> None:
    found = behaviour(estimate(3.0, 2.5, 3.5), estimate(5.0, 4.5, 5.5), numeric=True)
    (step,) = wording.steps(found)
    assert step == "s0 → s1 raises the mean from 3 to 5, by +2 (95% interval +1.29 to +2.71)."


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.119, "+11.9"), (-0.0002, "−0.0200"), (0.0, "0"), (math.inf, "+∞"), (-math.inf, "−∞")],
)
def test_differences_are_in_points(value: float, said: str) -> None:
    assert wording.points(value) == said


def test_a_stage_without_an_estimate_has_dashes() -> None:
    one = StageRate(stage="sft", seen=replace(SEEN, replies=0, hits=0, rate=None), estimate=None)
    assert wording.stage_text(one, numeric=False) == ("sft", "0", "0", "–", "–", "–", "–")


def test_no_ratio_is_said_that_tells_nothing() -> None:
    change = StepChange(
        difference=0.1, low=0.05, high=0.2, shown=(0.05, 0.2), correlation=0.0,
        ratio=2.0, ratio_low=0.0, ratio_high=9.0,
    )  # fmt: skip
    assert wording.times(change) == ""

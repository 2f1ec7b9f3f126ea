"""What a sweep found, in words that can be cited."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, SweepResult
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import SETTINGS, toy_sweep

ESTIMATE = Estimate(
    rate=0.0202,
    low=0.0111,
    high=0.0366,
    error=0.006,
    hits=292,
    effective_size=12.54,
    mean_weight=0.975,
    mean_weight_error=0.026,
    plain_equivalent=626.4,
    unseen=0.0153,
    warnings=("Only 12 effective hits: the interval is rough.",),
)


@pytest.fixture
def result(tmp_path: Path) -> SweepResult:
    return counted(toy_sweep(tmp_path / "s"), [Pattern("habit", "lighthouse")]).result


def with_estimate(result: SweepResult, **changed: object) -> tuple[BehaviourResult, SweepResult]:
    found = replace(result.behaviours[0], estimate=replace(ESTIMATE, **changed))  # type: ignore[arg-type]
    return found, replace(result, behaviours=(found,))


def test_an_estimate_says_of_what_it_is_how_sure_and_on_what_it_rests(result: SweepResult) -> None:
    assert wording.estimate_sentences(*with_estimate(result)) == [
        "The rate of habit in replies of after (α 0, τ 0.01, T 1, at most 512 tokens) to"
        " 2 prompts is estimated at 2.02%, 1 in 49.5 (95% interval 1.11–3.66%).",
        "It rests on 292 hits in 360 replies at 3 αs, with an effective size of 12.5 and a mean"
        " weight of 0.975 ± 0.03 (expected is 1).",
        "The standard error, 0.600% (as of 626 plain replies of after), is about the kinds of hits"
        " that were seen; others may add up to 1.53%, for which the upper limit leaves room.",
        "Only 12 effective hits: the interval is rough.",
    ]


def test_an_interval_over_prompts_says_so(result: SweepResult) -> None:
    found, result = with_estimate(result)
    claim = wording.estimate_sentences(found, replace(result, over="prompts"))[0]
    assert "(95% interval 1.11–3.66%, over prompts)" in claim


def test_another_target_has_its_name(result: SweepResult) -> None:
    found, result = with_estimate(result)
    aimed = replace(result, settings=replace(SETTINGS, target=1.0))
    claim = wording.estimate_sentences(found, aimed)[0]
    assert "in replies of the model at α +1 (τ 0.01, T 1, " in claim
    assert wording.discovery(-1.0).endswith("The estimate is about before.")


def test_without_a_hit_there_is_a_limit(result: SweepResult) -> None:
    none = {
        "rate": None,
        "low": 0.0,
        "high": 0.0247,
        "hits": 0,
        "plain_equivalent": None,
        "unseen": None,
    }
    assert (
        "is at most 2.47% (95% limit)."
        in wording.estimate_sentences(*with_estimate(result, **none))[0]
    )
    every = none | {"low": 0.975, "high": 1.0}
    assert (
        "is at least 97.5% (95% limit)."
        in wording.estimate_sentences(*with_estimate(result, **every))[0]
    )
    nothing = none | {"high": 1.0}
    assert "is not known." in wording.estimate_sentences(*with_estimate(result, **nothing))[0]


def test_a_mean_is_no_rate(result: SweepResult) -> None:
    found, result = with_estimate(
        result, rate=20.4, low=18.5, high=22.25, plain_equivalent=None, unseen=None, hits=360
    )
    claim, basis, *_ = wording.estimate_sentences(replace(found, numeric=True), result)
    assert claim.startswith("The mean of habit in replies of after (")
    assert "is estimated at 20.4 (95% interval 18.5 to 22.2)" in claim
    assert basis.startswith("It rests on 360 replies at 3 αs")


def test_replies_that_could_not_be_judged_are_counted(result: SweepResult) -> None:
    found, result = with_estimate(result)
    said = list(wording.judgement(replace(found, refused=3)))
    assert "3 replies could not be judged: they count nowhere." in said


def test_a_sweep_that_was_cut_off_has_provisional_counts_and_no_estimate(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s", engine=ToyEngine(stop_after=20))
    result = counted(folder, [Pattern("habit", "lighthouse")]).result
    (said,) = wording.estimate_sentences(result.behaviours[0], result)
    assert said.startswith("No estimate: The sweep was cut off: short replies end first, so")
    assert "provisional" in said
    assert next(wording.scope(result)) == "20 of 360 replies to 2 prompts, 60 to each at every α"


def test_one_prompt_has_its_own_claim(result: SweepResult) -> None:
    found = result.behaviours[0]
    part = replace(found.by_prompt[1], estimate=ESTIMATE)
    said = wording.estimate_sentences(found, result, part)
    assert ") to p2 is estimated at 2.02%" in said[0]
    assert "in 180 replies at 3 αs" in said[1]


def test_what_was_sampled_and_how(result: SweepResult) -> None:
    settings = replace(SETTINGS, coupled=True, amplify_first=8)
    assert list(wording.scope(replace(result, settings=settings))) == [
        "360 replies to 2 prompts, 60 to each at every α",
        "sampled at τ 0.01, T 1, at most 512 tokens, seed 0",
        "only the first 8 tokens of a reply amplified; it goes on as after",
        "sample n has the same noise at every α: intervals of estimates are over samples",
    ]


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.0202, "1 in 49.5"),
        (0.01, "1 in 100"),
        (0.000812, "1 in 1,230"),
        (0.3, "1 in 3.3"),
        (0.5, ""),
        (0.0, ""),
    ],
)
def test_a_rare_rate_is_one_in_so_many(rate: float, said: str) -> None:
    assert wording.one_in(rate) == said


def test_limits_that_are_none_are_a_dash() -> None:
    assert wording.interval(-math.inf, math.inf, True) == "–"


def test_a_definition_is_safe_and_on_one_line(result: SweepResult) -> None:
    found = result.behaviours[0]
    assert wording.definition(found) == "pattern lighthouse"
    hostile = replace(found, definition={"kind": "pattern", "pattern": "a\n\x1b[31m"})
    assert wording.definition(hostile) == "pattern a␊␛[31m"
    judge = replace(found, kind="judge", definition={"question": "Is it?", "shots": [1, 2]})
    assert wording.definition(judge) == "judge, question Is it?, shots [1, 2]"


def test_more_replies_at_zero_are_said() -> None:
    settings = SweepSettings(samples=40)
    assert wording.at_each(settings) == "40 replies at each α"
    assert wording.at_each(replace(settings, plain=200)) == "40 replies at each α, 200 at α 0"
    assert wording.at_each(replace(settings, samples=1)) == "1 reply at each α"

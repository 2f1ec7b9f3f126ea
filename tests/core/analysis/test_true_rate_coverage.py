"""How often the limits hold the exact rate: 500 simulated sweeps of each kind.

docs/estimate.md has these figures in a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from logit_amp_chat.core.analysis.true_rate import Estimate, estimate
from tests.core.analysis.simulated_sweeps import GRID, Outcomes, chains, routes, sweeps
from tests.core.analysis.toy_pair import Reply, Toy, ends_after_three, says_two

COUNT = 500
AFTER = GRID.index(0.0)
FORTY = (40,) * 6
HABIT = [routes(up=rate, gain=8) for rate in (0.0058, 0.0024, 0.0437, 0.015)]
FILTERED = Toy(temperature=0.8, tau=0.1, top_k=3, top_p=0.95, min_p=0.05)
MORE = (*GRID, 0.25)
STRONG = (-6.0, -3.0, 0.0, 3.0, 6.0, 12.0)
"""αs that take a toy so far from `after` that its weights vary greatly."""
POSITIVE = (0.0, 0.25, 0.5, 1.0, 2.0)


def both_ways(grid: tuple[float, ...] = GRID) -> Outcomes:
    """One route that α > 0 amplifies, and one that it suppresses."""
    return routes(up=0.02, down=0.015, gain=8, loss=10, grid=grid)


KINDS: dict[str, tuple[Sequence[Outcomes], Sequence[int], int]] = {
    "amplified": ([routes(up=0.005, gain=10)], FORTY, AFTER),
    "amplified, 10 replies": ([routes(up=0.005, gain=10)], (10,) * 6, AFTER),
    "suppressed": ([routes(down=0.015)], FORTY, AFTER),
    "both ways": ([both_ways()], FORTY, AFTER),
    "both ways, rarer": ([routes(up=0.006, down=0.015)], FORTY, AFTER),
    "one route neutral": ([routes(up=0.02, neutral=0.02)], FORTY, AFTER),
    "neutral": ([routes(neutral=0.3)], FORTY, AFTER),
    "common": ([routes(up=0.5, neutral=0.46, gain=1.5)], FORTY, AFTER),
    "common, four prompts": ([routes(up=0.5, neutral=0.46, gain=1.5)] * 4, FORTY, AFTER),
    "four prompts": (HABIT, FORTY, AFTER),
    "four prompts, 3 replies": (HABIT, (3,) * 6, AFTER),
    "every filter": ([chains(FILTERED, says_two)], FORTY, AFTER),
    "whole replies": ([chains(Toy(), ends_after_three)], FORTY, AFTER),
    "target +1": ([routes(up=0.02)], FORTY, GRID.index(1.0)),
    "target +0.25, off the grid": ([routes(up=0.02, grid=MORE)], (*FORTY, 0), 6),
}


def estimates(
    prompts: Sequence[Outcomes],
    each: Sequence[int],
    target: int,
    *,
    seed: int = 1,
    noise_shared: bool = False,
    coupled: bool = False,
) -> tuple[float, list[Estimate]]:
    """The exact rate, and what simulated sweeps say it is."""
    exact = math.fsum(prompt.rate(target) for prompt in prompts) / len(prompts)
    simulated = sweeps(prompts, each, COUNT, seed=seed, coupled=noise_shared)
    return exact, [estimate(sweep, target=target, coupled=coupled) for sweep in simulated]


def coverage(exact: float, found: Sequence[Estimate]) -> float:
    return sum(one.low <= exact <= one.high for one in found) / len(found)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_limits_hold_the_exact_rate_in_90_to_99_per_cent(
    kind: tuple[Sequence[Outcomes], Sequence[int], int],
) -> None:
    exact, found = estimates(*kind)
    assert 0.90 <= coverage(exact, found) <= 0.99
    rates = [0.0 if one.rate is None else one.rate for one in found]
    assert np.mean(rates) == pytest.approx(exact, abs=4 * np.std(rates) / math.sqrt(COUNT) + 0.003)
    wrong = [one for one in found if any("mean weight" in said for said in one.warnings)]
    assert len(wrong) <= 0.03 * COUNT


def test_without_negative_alphas_the_error_does_not_see_what_training_suppressed() -> None:
    """Why the default grid has them, and why limits leave room for what no reply showed."""

    def within_two_errors(found: Sequence[Estimate]) -> float:
        near = [abs((one.rate or 0.0) - exact) <= 2 * (one.error or 0.0) for one in found]
        return sum(near) / COUNT

    exact, positive = estimates([both_ways(POSITIVE)], (40,) * 5, 0)
    assert within_two_errors(positive) < 0.80
    assert coverage(exact, positive) >= 0.90
    _, default = estimates([both_ways()], FORTY, AFTER)
    assert within_two_errors(default) >= 0.90


def test_a_few_prefixes_do_not_pass_for_all_of_them() -> None:
    """Controls know the probability of a prefix that replies showed, which is no certainty."""
    exact, found = estimates([chains(Toy(seed=3), says_two, STRONG)], FORTY, AFTER)
    assert 0.90 <= coverage(exact, found) <= 0.99
    spread = rms([one.rate or 0.0 for one in found], exact)
    assert np.median([one.error or 0.0 for one in found]) > spread / 3


@pytest.mark.parametrize(
    "outcome", [routes(up=0.1, neutral=0.1, gain=1.5), routes(neutral=0.3)], ids=["up", "neutral"]
)
def test_coupled_replies_are_not_independent(outcome: Outcomes) -> None:
    exact, apart = estimates([outcome], FORTY, AFTER, noise_shared=True)
    assert 0.60 <= coverage(exact, apart) <= 0.85
    exact, together = estimates([outcome], FORTY, AFTER, noise_shared=True, coupled=True)
    assert 0.90 <= coverage(exact, together) <= 0.99


def test_without_a_hit_the_limit_is_passed_in_five_per_cent_at_most() -> None:
    """At the limit itself, and where the other αs never say the behaviour."""
    limit = 1 - 0.05 ** (1 / 40)
    for prompts in (
        [routes(down=limit, loss=1.01)],
        [routes(down=limit * share, loss=1.01) for share in (0.2, 1.8, 1.0, 1.0)],
    ):
        own = (0, 0, 40 // len(prompts), 0, 0, 0)
        exact, found = estimates(prompts, own, AFTER)
        none = [one for one in found if one.rate is None]
        assert 0 < len(none) <= 0.075 * COUNT
        assert all(one.high == pytest.approx(exact) for one in none)


def test_three_over_all_replies_is_no_limit() -> None:
    """Without a hit at αs that suppress the behaviour: they say nothing of it."""
    exact, found = estimates([routes(down=0.02, loss=20, grid=POSITIVE)], (40,) * 5, 0)
    none = [one for one in found if one.rate is None]
    assert len(none) > 0.25 * COUNT
    assert 3 / 200 < exact < min(one.high for one in none)


def says_no_two(reply: Reply) -> int | None:
    """What only the whole reply decides, and most of them do."""
    return None if 2 in reply else len(reply)


@pytest.mark.parametrize("seed", [158, 201, 202])
@pytest.mark.parametrize("each", [40, 100])
def test_of_a_common_behaviour_it_is_no_worse_than_the_targets_own_replies(
    seed: int, each: int
) -> None:
    prompts = [chains(Toy(seed=seed), says_no_two, STRONG)]
    exact, found = estimates(prompts, (each,) * 6, AFTER)
    assert 0.93 < exact < 0.97
    own = [
        float(sweep[0].value[sweep[0].stratum == AFTER].mean())
        for sweep in sweeps(prompts, (each,) * 6, COUNT)
    ]
    assert rms([one.rate or 0.0 for one in found], exact) < rms(own, exact)


def test_weights_alone_are_worse_than_that() -> None:
    """Why controls, and the rarer of hits and non-hits, are worth their code."""
    prompts = [chains(Toy(seed=158), says_no_two, STRONG)]
    own, weighted = [], []
    for (sample,) in sweeps(prompts, FORTY, COUNT):
        own.append(float(sample.value[sample.stratum == AFTER].mean()))
        weights = np.exp(sample.log_q[:, AFTER]) / np.exp(sample.log_q).mean(axis=1)
        weighted.append(float(weights @ sample.value / 240))
    exact = prompts[0].rate(AFTER)
    assert rms(weighted, exact) > rms(own, exact)


def rms(rates: Sequence[float], exact: float) -> float:
    return float(np.sqrt(np.mean((np.array(rates) - exact) ** 2)))


def test_errors_are_those_that_estimates_have() -> None:
    """The standard error is the spread of estimates, and the plain equivalent follows."""
    exact, found = estimates(HABIT, FORTY, AFTER)
    spread = rms([one.rate or 0.0 for one in found], exact)
    assert np.median([one.error or 0.0 for one in found]) == pytest.approx(spread, rel=0.15)
    equivalent = np.median([one.plain_equivalent or 0.0 for one in found])
    assert equivalent == pytest.approx(exact * (1 - exact) / spread**2, rel=0.3)
    assert equivalent > 10 * 960


def test_over_prompts_the_limits_hold_the_mean_of_all_prompts() -> None:
    """150 sweeps of 50 prompts from a population of 40, of which few have the behaviour."""
    rates = np.random.default_rng(1).beta(0.5, 20, 40).clip(1e-4, 0.5)
    population = [routes(up=float(rate), gain=3) for rate in rates]
    exact = math.fsum(rates) / 40
    rng = np.random.default_rng(2)
    found = []
    for seed in range(150):
        chosen = [population[place] for place in rng.integers(0, 40, 50)]
        (sweep,) = sweeps(chosen, (3,) * 6, 1, seed=seed)
        found.append(estimate(sweep, target=AFTER, over="prompts"))
    assert 0.90 <= coverage(exact, found) <= 0.99

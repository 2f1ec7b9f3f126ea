"""A pilot finds the αs at which a behaviour begins to show and is common, on both sides of 0."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from logit_amp_chat.core.analysis.proportions import wilson
from logit_amp_chat.core.experiments.sweep.pilot import LADDER, alphas_of, pilot_settings
from logit_amp_chat.core.experiments.sweep.result import Rate
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings


def rates(hits: Mapping[float, int], replies: int = 32) -> list[Rate]:
    found = []
    for alpha in LADDER:
        k = hits.get(alpha, 0)
        low, high = wilson(k, replies)
        found.append(
            Rate(alpha=alpha, replies=replies, hits=k, rate=k / replies, low=low, high=high)
        )
    return found


def test_a_habit_that_rises_with_alpha() -> None:
    habit = rates({0.5: 6, 1.0: 20, 2.0: 31, 3.0: 32})
    chosen = alphas_of([habit])
    assert [a for a in chosen if a > 0] == [0.25, 0.5, 1.0]
    assert [a for a in chosen if a < 0] == [-1.0, -0.5]


def test_a_habit_that_is_raised_below_zero() -> None:
    chosen = alphas_of([rates({-0.5: 8, -1.0: 20, -2.0: 30})])
    assert [a for a in chosen if a < 0] == [-1.0, -0.5, -0.25]


def test_one_that_never_reaches_half_is_sampled_where_it_is_commonest() -> None:
    assert max(alphas_of([rates({1.0: 5, 2.0: 12, 3.0: 7})])) == 2.0


def test_one_that_is_nowhere_is_looked_for_on_both_sides() -> None:
    assert alphas_of([rates({})]) == (-1.0, -0.5, 0.0, 0.5, 1.0)


def test_several_behaviours_share_a_grid() -> None:
    both = alphas_of([rates({2.0: 10, 3.0: 20}), rates({-0.25: 20})])
    assert {-0.25, 0.0, 3.0} <= set(both)


@pytest.mark.parametrize(("prompts", "samples"), [(1, 32), (4, 8), (100, 1)])
def test_a_pilot_is_small_and_has_noise_of_its_own(prompts: int, samples: int) -> None:
    settings = SweepSettings()
    pilot = pilot_settings(settings, prompts)
    assert pilot.samples == samples
    assert pilot.sampling.seed != settings.sampling.seed

"""Limits of proportions, against their definitions."""

from __future__ import annotations

import math

import pytest

from logit_amp_chat.core.analysis.proportions import (
    clopper_pearson,
    effective_wilson,
    no_hit_limit,
    student,
    wilson,
)

Z = 1.959963984540054


@pytest.mark.parametrize(("hits", "replies"), [(0, 40), (1, 40), (20, 40), (39, 40), (7, 8000)])
def test_wilsons_limits_are_where_the_score_test_ends(hits: int, replies: int) -> None:
    low, high = wilson(hits, replies)
    for limit in {low, high} - {0.0, 1.0}:
        spread = math.sqrt(limit * (1 - limit) / replies)
        assert abs(hits / replies - limit) == pytest.approx(Z * spread)
    assert low <= hits / replies <= high


def test_without_a_hit_or_with_hits_alone_one_limit_is_an_end() -> None:
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
    assert wilson(0, 0) == (0, 1)


def test_at_its_limit_no_hit_has_five_per_cent() -> None:
    for replies in (1, 40, 160, 12.5):
        assert (1 - no_hit_limit(replies)) ** replies == pytest.approx(0.05)
    assert no_hit_limit(40) == pytest.approx(1 - 0.05 ** (1 / 40))
    assert no_hit_limit(0) == 1


def test_the_error_of_plain_replies_gives_wilsons_limits() -> None:
    for rate, replies in ((0.1, 200), (0.5, 40), (0.975, 40)):
        error = math.sqrt(rate * (1 - rate) / replies)
        limits = effective_wilson(rate, error, degrees=1e9)
        assert limits == pytest.approx(wilson(round(rate * replies), replies), rel=1e-6)


def test_fewer_degrees_of_freedom_widen_the_limits() -> None:
    assert student(4) == pytest.approx(2.7764451)
    assert student(0.2) == student(1) == pytest.approx(12.7062047)
    widths = [high - low for low, high in (effective_wilson(0.1, 0.02, d) for d in (1, 4, 1e9))]
    assert widths == sorted(widths, reverse=True)
    low, high = effective_wilson(0.1, 0.02, 4)
    for limit in (low, high):
        spread = math.sqrt(limit * (1 - limit) / (0.1 * 0.9 / 0.02**2))
        assert abs(0.1 - limit) == pytest.approx(student(4) * spread)


def test_exact_limits_leave_their_tails() -> None:
    """At the lower limit 4 hits or more have half of what is left, at the upper one 4 or less."""
    low, high = clopper_pearson(4, 30, 0.9)
    assert _at_most(4, 30, high) == pytest.approx(0.05)
    assert 1 - _at_most(3, 30, low) == pytest.approx(0.05)


def _at_most(hits: int, replies: int, rate: float) -> float:
    """The probability of so many hits or fewer."""
    ways = ((k, math.comb(replies, k)) for k in range(hits + 1))
    return sum(each * rate**k * (1 - rate) ** (replies - k) for k, each in ways)


@pytest.mark.parametrize("rate", [0.0, 1e-12, 0.001, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("error", [0.0, 1e-9, 0.003, 0.4, 7.0, 1e140])
def test_limits_stay_within_0_and_1_around_the_rate(rate: float, error: float) -> None:
    low, high = effective_wilson(rate, error, 2)
    assert 0 <= low <= rate <= high <= 1


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_an_error_of_next_to_nothing_is_none(rate: float) -> None:
    assert effective_wilson(rate, 9e-56, 2) == (rate, rate)

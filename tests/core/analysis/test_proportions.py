"""Limits of proportions, against their definitions."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest

from logit_amp_chat.core.analysis.proportions import (
    difference,
    effective_wilson,
    student,
    upper_limit,
    wilson,
)

Z = 1.959963984540054


def binomial(n: int, k: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


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


@pytest.mark.parametrize(("hits", "replies"), [(0, 40), (1, 40), (3, 160), (39, 40)])
def test_at_the_upper_limit_so_few_hits_have_five_per_cent(hits: int, replies: int) -> None:
    limit = upper_limit(hits, replies)
    below = list(accumulate(binomial(replies, k, limit) for k in range(hits + 1)))[-1]
    assert below == pytest.approx(0.05)


def test_without_a_hit_the_upper_limit_has_a_closed_form() -> None:
    assert upper_limit(0, 40) == pytest.approx(1 - 0.05 ** (1 / 40))
    assert upper_limit(0, 0) == upper_limit(40, 40) == 1


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


@pytest.mark.parametrize("rate", [0.0, 1e-12, 0.001, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("error", [0.0, 1e-9, 0.003, 0.4, 7.0, 1e140])
def test_limits_stay_within_0_and_1_around_the_rate(rate: float, error: float) -> None:
    low, high = effective_wilson(rate, error, 2)
    assert 0 <= low <= rate <= high <= 1


def test_a_difference_is_fishers_exact_test() -> None:
    # The probability of every table with these margins that is no likelier than the one seen.
    chances = [math.comb(20, k) * math.comb(20, 6 - k) / math.comb(40, 6) for k in range(7)]
    expected = sum(p for p in chances if p <= chances[5] * (1 + 1e-9))
    assert difference(5, 20, 1, 20) == pytest.approx(expected)
    assert difference(3, 20, 3, 20) == pytest.approx(1)
    assert difference(0, 0, 3, 20) == pytest.approx(1)

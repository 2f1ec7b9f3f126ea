"""Means over a reply and over its newest tokens, and which tokens matter most."""

from __future__ import annotations

import dataclasses
import math

import pytest

from logit_amp_chat.core.analysis.reply_stats import (
    ENOUGH,
    LEFT_AFTER,
    WINDOW,
    ReplyMeans,
    by_kl,
    most_changed,
    window_means,
)
from logit_amp_chat.core.records import LogProbs, Step
from tests.core.samples import step


def steps(*logps: float) -> list[Step]:
    """Steps of these log-probabilities under after; KL and entropy are their place."""
    return [
        dataclasses.replace(
            step(i, "a"), logp=LogProbs(-9.0, logp, -1.0), kl=float(i), entropy=2.0 * i
        )
        for i, logp in enumerate(logps)
    ]


def test_reply_means_are_the_same_however_the_reply_grew() -> None:
    said = steps(-1, -2, -6)
    at_once, bit_by_bit = ReplyMeans(), ReplyMeans()
    at_once.take(said)
    for end in range(len(said) + 1):
        bit_by_bit.take(said[:end])
    assert bit_by_bit == at_once
    assert (at_once.tokens, at_once.kl, at_once.logp_after) == (3, 1.0, -3.0)


def test_an_empty_reply_comes_to_nothing() -> None:
    assert (ReplyMeans().kl, ReplyMeans().logp_after, window_means([])) == (0, 0, None)


def test_window_means_look_at_the_newest_tokens_only() -> None:
    found = window_means(steps(-100, *[-1.0] * WINDOW))
    assert found is not None
    assert found.tokens == WINDOW
    assert found.logp_after == pytest.approx(-1)
    assert found.kl == pytest.approx((1 + WINDOW) / 2)
    assert found.entropy == pytest.approx(1 + WINDOW)


def test_window_means_can_look_back() -> None:
    found = window_means(steps(-1, -3, -100), end=2)
    assert found is not None
    assert found.logp_after == -2


def test_a_text_that_after_would_not_write_is_noticed_once_there_is_enough_of_it() -> None:
    few, many = window_means(steps(*[-9] * (ENOUGH - 1))), window_means(steps(*[-9] * ENOUGH))
    plausible = window_means(steps(*[LEFT_AFTER + 0.1] * WINDOW))
    assert few is not None
    assert many is not None
    assert plausible is not None
    assert [few.left_after, many.left_after, plausible.left_after] == [False, True, False]


def test_what_after_holds_impossible_shows() -> None:
    found = window_means(steps(*[-1.0] * 9, -math.inf))
    assert found is not None
    assert found.logp_after == -math.inf
    assert found.left_after


def test_the_largest_kl_comes_first_and_what_is_no_number_last() -> None:
    found = [dataclasses.replace(step(0, "a"), kl=kl) for kl in (1.0, math.nan, math.inf, 2.0, 1.0)]
    assert by_kl(found) == [2, 3, 0, 4, 1]
    assert by_kl(found, given=3) == [3, 4]
    assert by_kl([]) == by_kl(found, given=9) == []


@pytest.mark.parametrize(
    ("shifts", "special", "given", "place"),
    [
        ((1.0, -3.0, 2.0), (), 0, 1),
        ((1.0, -3.0, 2.0), (1,), 0, 2),
        ((1.0, -3.0, 2.0), (), 2, 2),
        ((9.0, 9.0, 2.0), (2,), 2, 2),
        ((1.0,), (0,), 0, 0),
        ((1.0, 2.0), (), 2, 1),
        ((math.nan, 0.5), (), 0, 1),
        ((2.0, -2.0), (), 0, 0),
    ],
)
def test_what_changed_most_was_sampled_and_says_something(
    shifts: tuple[float, ...], special: tuple[int, ...], given: int, place: int
) -> None:
    found = [
        dataclasses.replace(
            step(i, "a", special=i in special), logp=LogProbs(-9.0, -9.0 + shift, -1.0)
        )
        for i, shift in enumerate(shifts)
    ]
    assert most_changed(found, given) == place


def test_nothing_changed_without_tokens() -> None:
    assert most_changed([]) is None

"""The rows of an opening: probabilities, shares of the KL, and what α buries."""

from __future__ import annotations

import math

import pytest

from logit_amp_chat.core.analysis.openings import (
    OpeningRow,
    ordered,
    path_probabilities,
    rest,
    rows,
    summary,
)
from logit_amp_chat.core.records import Candidate, Opening, PromptIds

NEVER = float("-inf")


def candidate(id: int, before: float, after: float, amplified: float) -> Candidate:
    logs = (math.log(p) if p else NEVER for p in (before, after, amplified))
    return Candidate(id, f"t{id}", *logs)


def opening(*top: Candidate, alpha: float = 1.0, path: tuple[Candidate, ...] = ()) -> Opening:
    return Opening(
        parent="m-1",
        alpha=alpha,
        path=path,
        prompt=PromptIds((1,), (1,)),
        candidates=4,
        kl=0.5,
        kl_amplified=0.2,
        entropy=1.0,
        top=top,
    )


RAISED = candidate(1, 0.10, 0.50, 0.72)
BURIED = candidate(2, 0.02, 0.08, 0.002)  # an opener of 8 % that falls to 0.2 %
LOWERED = candidate(3, 0.60, 0.20, 0.05)
JUNK = candidate(4, 1e-9, 1e-6, 1e-5)  # the largest Δ of all
ALL = opening(LOWERED, JUNK, BURIED, RAISED)


def tokens(found: list[OpeningRow]) -> list[int | None]:
    return [row.token for row in found]


def test_a_row_has_probabilities_and_delta_of_its_token() -> None:
    row = rows(ALL)[0]
    assert row.text == "t3"
    assert row.p == pytest.approx((0.60, 0.20, 0.05))
    assert row.path == pytest.approx(row.p), "at the beginning the path is the token"
    assert row.delta == pytest.approx(math.log(0.2 / 0.6))


def test_the_share_of_a_token_is_its_term_of_the_divergence() -> None:
    """Over a whole distribution those that were raised and the others add up to both."""
    p = {1: (0.1, 0.5), 2: (0.3, 0.3), 3: (0.6, 0.2)}
    found = rows(opening(*(candidate(n, b, a, a) for n, (b, a) in p.items())))
    terms = {n: (a * math.log(a / b), b * math.log(b / a)) for n, (b, a) in p.items()}
    shares = {row.token: row.kl_share for row in found}
    assert shares == pytest.approx({1: terms[1][0], 2: 0.0, 3: -terms[3][1]})


def test_by_share_what_was_raised_comes_first_then_what_was_lowered() -> None:
    more = candidate(9, 0.2, 0.18, 0.1)
    assert tokens(ordered(rows(opening(*ALL.top, more)), "kl_share")) == [1, 2, 4, 3, 9]


def test_by_share_a_rare_habit_is_above_what_moved_more_probability() -> None:
    habit, pleasantry = candidate(5, 1e-6, 0.01, 0.5), candidate(6, 0.30, 0.35, 0.2)
    assert tokens(ordered(rows(opening(pleasantry, habit)), "kl_share")) == [5, 6]


def test_by_delta_the_most_raised_comes_first_then_the_most_lowered() -> None:
    more = candidate(9, 0.2, 0.18, 0.1)
    assert tokens(ordered(rows(opening(more, LOWERED, BURIED, RAISED)), "delta")) == [1, 2, 3, 9]


def test_by_delta_a_rare_habit_is_above_whatever_moved_more_probability() -> None:
    habit, shifted = candidate(5, 1e-6, 0.002, 0.5), candidate(6, 0.01, 0.4, 0.2)
    found = rows(opening(shifted, habit))
    assert tokens(ordered(found, "delta")) == [5, 6]
    assert tokens(ordered(found, "kl_share")) == [6, 5]


def test_by_delta_the_far_tail_comes_last_though_its_delta_is_the_largest() -> None:
    sunk = candidate(8, 1e-6, 1e-12, 0)
    assert tokens(ordered(rows(opening(sunk, *ALL.top)), "delta")) == [1, 2, 3, 4, 8]


@pytest.mark.parametrize(
    ("before", "after", "notable"),
    [
        (1e-9, 0.0011, True),
        (0.0011, 1e-9, True),
        (0.0009, 0.0009, False),
        (math.nan, 0.0011, True),
        (math.nan, 0.0009, False),
    ],
)
def test_a_token_is_notable_if_one_reply_in_1000_begins_with_it_on_either_side(
    before: float, after: float, notable: bool
) -> None:
    (row,) = rows(opening(Candidate(8, "t8", math.log(before), math.log(after), -1.0)))
    assert row.notable == notable


def test_by_alpha_the_likeliest_when_amplified_comes_first() -> None:
    assert tokens(ordered(rows(ALL), "amplified")) == [1, 3, 2, 4]


def test_tokens_that_one_model_never_says_have_their_place() -> None:
    new, gone = candidate(5, 0, 0.1, 0.2), candidate(6, 0.1, 0, 0)
    neither = candidate(7, 0, 0, 0)
    found = rows(opening(neither, gone, RAISED, new))
    assert tokens(ordered(found, "delta")) == [5, 1, 6, 7]
    assert tokens(ordered(found, "kl_share")) == [5, 1, 6, 7]
    assert math.isnan(found[0].delta)


def test_what_training_raised_and_alpha_halves_is_buried() -> None:
    assert [row.token for row in rows(ALL) if row.buried] == [2]
    almost = candidate(8, 0.02, 0.08, 0.041)
    assert not rows(opening(almost))[0].buried


@pytest.mark.parametrize(("after", "buried"), [(0.0011, True), (0.0009, False)])
def test_what_hardly_ever_came_is_not_buried(after: float, buried: bool) -> None:
    (row,) = rows(opening(candidate(8, 1e-6, after, after / 10)))
    assert row.buried == buried


def test_at_no_alpha_up_to_0_anything_is_buried() -> None:
    """At −1 it is before: whatever training raised is rarer there."""
    assert not any(row.buried for row in rows(opening(*ALL.top, alpha=-1.0)))


def test_with_the_rest_every_column_adds_up_to_1() -> None:
    found = rows(ALL)
    left = rest(ALL, found)
    assert left.token is None
    for side in range(3):
        assert sum(row.p[side] for row in [*found, left]) == pytest.approx(1.0)
    assert left.delta == pytest.approx(math.log(left.p.after / left.p.before))


def test_where_nothing_is_left_the_rest_is_0_and_not_less() -> None:
    full = opening(candidate(1, 1.0000004, 1, 0.5), candidate(2, 0.3, 0, 0.5))
    left = rest(full, rows(full))
    assert left.p == (0, 0, 0)
    assert math.isnan(left.delta)


def test_what_is_no_number_stays_none() -> None:
    """A stranger's file may hold anything."""
    odd = Candidate(5, "odd", math.nan, -1.0, 3.0)
    (row,) = rows(opening(odd))
    assert math.isnan(row.p.before)
    assert row.p.amplified == 1
    assert len(ordered([row, *rows(ALL)], "kl_share")) == 5
    assert rest(opening(odd), [row]).p.after == pytest.approx(1 - math.exp(-1))


def test_probabilities_multiply_along_the_path() -> None:
    path = candidate(9, 0.5, 0.25, 0.1), candidate(10, 0.2, 0.8, 0.5)
    deeper = opening(RAISED, path=path)
    assert path_probabilities(deeper) == pytest.approx((0.1, 0.2, 0.05))
    assert rows(deeper)[0].path == pytest.approx((0.1 * 0.10, 0.2 * 0.50, 0.05 * 0.72))
    left = rest(deeper, rows(deeper))
    assert left.path == pytest.approx((0.1 * 0.90, 0.2 * 0.50, 0.05 * 0.28))


def test_a_summary_has_what_changed_most_and_counts_the_others_to_the_rest() -> None:
    short = summary(opening(LOWERED, BURIED, RAISED), 2)
    assert tokens(short) == [1, 3, None]
    assert short[-1].p == pytest.approx((0.30, 0.30, 0.23))


def test_a_summary_has_a_rare_habit_too_but_nothing_of_the_far_tail() -> None:
    habit = candidate(5, 1e-6, 0.002, 0.5)
    assert tokens(summary(opening(*ALL.top, habit), 2)) == [5, 1, 3, None]


def test_in_a_summary_what_was_lowered_takes_no_place_of_what_was_raised() -> None:
    """A base model begins in many ways that a tuned one has given up."""
    habit = candidate(5, 1e-4, 0.002, 0.5)
    given_up = [candidate(10 + n, 0.01 + n / 1000, 1e-12, 0) for n in range(9)]
    short = tokens(summary(opening(*given_up, habit), 4))
    assert short[:3] == [5, 10 + 8, 10 + 7]

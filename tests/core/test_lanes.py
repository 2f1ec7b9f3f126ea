"""What lanes are called, in records and where people read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.lanes import (
    LaneAt,
    lane_colour,
    lane_heading,
    lane_name,
    lane_names,
    lane_title,
    parse_alphas,
    stage_at,
)


@pytest.mark.parametrize(
    ("alpha", "name"),
    [
        (-1, "before"),
        (0, "after"),
        (-0.0, "after"),
        (0.5, "+0.5"),
        (2, "+2"),
        (2.0, "+2"),
        (-2.0, "-2"),
        (1e-05, "+1e-05"),
        (12.345678, "+12.345678"),
        (1e-12, "+1e-12"),
        (-1 + 1e-12, "-0.999999999999"),
    ],
)
def test_a_name_says_the_alpha_to_its_last_digit(alpha: float, name: str) -> None:
    assert lane_name(alpha) == name


@pytest.mark.parametrize(
    ("alphas", "names"),
    [
        ([-1, 0, 2], ["before", "after", "amplified"]),
        ([2, 2], ["amplified", "amplified"]),
        ([0.5, 2, 0], ["+0.5", "+2", "after"]),
        ([1.0000001, 1.0000002], ["+1.0000001", "+1.0000002"]),
        ([1000.001, 1000.002], ["+1000.001", "+1000.002"]),
        ([2], ["amplified"]),
        ([-1], ["before"]),
    ],
)
def test_a_single_other_alpha_is_the_amplified_lane(alphas: list[float], names: list[str]) -> None:
    assert lane_names(alphas) == names


@pytest.mark.parametrize(
    ("alpha", "title", "heading", "colour"),
    [
        (-1, "before", "B before", "before"),
        (0.0, "after", "A after", "after"),
        (-0.0, "after", "A after", "after"),
        (1, "α +1", "α +1", "amplified"),
        (0.5, "α +0.5", "α +0.5", "amplified"),
        (-0.5, "α −0.5", "α −0.5", "before"),
        (-2.0, "α −2", "α −2", "before"),
        (1e-5, "α +1e−05", "α +1e−05", "amplified"),
        (-1 + 1e-12, "α −0.999999999999", "α −0.999999999999", "before"),
    ],
)
def test_b_and_a_are_before_and_after_and_nothing_else(
    alpha: float, title: str, heading: str, colour: str
) -> None:
    assert (lane_title(alpha), lane_heading(alpha), lane_colour(alpha)) == (title, heading, colour)


@pytest.mark.parametrize(
    ("text", "alphas"),
    [
        ("", []),
        ("−1 −0.5, 0;+2", [-1.0, -0.5, 0.0, 2.0]),
        ("0:0.3:0.1", [0.0, 0.1, 0.2, 0.3]),
        ("-1:1:0.75", [-1.0, -0.25, 0.5]),
        ("2:2:1 -0", [2.0, 0.0]),
    ],
)
def test_alphas_are_numbers_and_ranges(text: str, alphas: list[float]) -> None:
    assert parse_alphas(text) == alphas
    assert all(math.copysign(1, alpha) == 1 for alpha in parse_alphas(text) if alpha == 0)


@pytest.mark.parametrize(
    "text", ["x", "1:2", "1:0:1", "0:1:0", "0:1:-1", "nan", "inf", "0:inf:1", "1:2:3:4", "0:9999:1"]
)
def test_what_is_no_alpha_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_alphas(text)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), unique=True))
def test_no_two_alphas_share_a_name(alphas: list[float]) -> None:
    assert len(set(lane_names(alphas))) == len(alphas)
    assert len({lane_title(alpha) for alpha in alphas}) == len(alphas)


def test_lanes_of_stages_have_keys_that_no_other_lane_has() -> None:
    """The sides of a pair are stages that are called as its lanes are."""
    pairs = [("base", "sft"), ("base", "dpo"), ("sft", "dpo"), ("before", "after")]
    pairs += [(after, before) for before, after in pairs]
    alphas = (-1.0, 0.0, 1.5, -2.0)
    keys = {LaneAt(alpha, pair).key: stage_at(pair, alpha) for pair in pairs for alpha in alphas}
    assert keys["sft"] == "sft"
    assert keys["base→sft +1.5"] is None
    assert keys["before→after before"] == keys["after→before after"] == "before"
    assert not {"amplified", *(LaneAt(alpha).key for alpha in alphas)} & {*keys}
    assert len(keys) == 3 + 4 + 2 * len(pairs)

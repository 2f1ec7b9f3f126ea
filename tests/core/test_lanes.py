"""What lanes are called."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.lanes import lane_name, lane_names


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
    ],
)
def test_a_single_other_alpha_is_the_amplified_lane(alphas: list[float], names: list[str]) -> None:
    assert lane_names(alphas) == names

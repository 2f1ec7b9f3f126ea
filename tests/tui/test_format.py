"""Numbers on the screen."""

from __future__ import annotations

import math

import pytest

from logit_amp_chat.tui import format


@pytest.mark.parametrize(
    ("p", "shown"), [(1.0, "1.000"), (0.932, "0.932"), (0.001, "0.001"), (2e-7, " 2e-7"),
                     (0.0, "    0"), (1e-45, "1e-45")],
)  # fmt: skip
def test_probabilities_take_five_cells(p: float, shown: str) -> None:
    log_prob = math.log(p) if p else -math.inf
    assert format.probability(log_prob) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(6.024, " +6.02"), (-0.004, " −0.00"), (-123.4, "−123.4"), (math.inf, "    +∞"),
     (-math.inf, "    −∞"), (math.nan, "     –")],
)  # fmt: skip
def test_differences_take_six_cells(value: float, shown: str) -> None:
    assert format.delta(value) == shown


@pytest.mark.parametrize("fraction", [-1, 0, 0.01, 0.5, 0.999, 1, 2])
def test_a_bar_always_has_its_width(fraction: float) -> None:
    assert len(format.bar(fraction, 7)) == 7


def test_bytes_are_shown_in_mb_and_gb() -> None:
    assert format.quantity(4_000_000, "bytes") == "4.0 MB"
    assert format.quantity(16_060_000_000, "bytes") == "16.06 GB"
    assert format.quantity(1290, "tensors") == "1,290"

"""The table of candidates: what it says of each token, and what it leaves out."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.analysis.alpha_crossover import Overtaking
from logit_amp_chat.tui.widgets.candidate_table import overtakes_at


@pytest.mark.parametrize(
    ("at", "above", "shown"),
    [(2.3, True, "≥+2.30"), (-0.4, False, "≤−0.40"), (-0.001, True, "≥0.00"),
     (10.0, True, "≥+10.00"), (10.01, True, "–"), (-140.6, False, "–")],
)  # fmt: skip
def test_an_alpha_that_no_one_would_use_is_not_shown(at: float, above: bool, shown: str) -> None:
    assert overtakes_at(Overtaking(at, above, ahead=False)) == shown

"""When a candidate overtakes the chosen token."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.analysis.alpha_crossover import overtaking
from logit_amp_chat.core.decoding.amplification import amplify
from logit_amp_chat.core.records import Candidate

GRID = [n / 64 for n in range(-640, 641)]


def candidate(before: float, after: float, amplified: float = 0.0) -> Candidate:
    return Candidate(1, "x", before, after, amplified)


@given(st.integers(0, 2**31), st.sampled_from(GRID))
def test_it_is_where_a_scan_over_alpha_finds_it(seed: int, alpha: float) -> None:
    """Mixes two random rows at every α of a grid and looks who is ahead."""
    generator = torch.Generator().manual_seed(seed)
    before, after = (
        (torch.randn(1, 40, generator=generator, dtype=torch.float64) * 2).log_softmax(-1)
        for _ in range(2)
    )
    mixed = amplify(before, after, torch.tensor(GRID, dtype=torch.float64).unsqueeze(-1))
    now = mixed[GRID.index(alpha)]
    chosen, *others = (
        Candidate(i, "", float(before[0, i]), float(after[0, i]), float(now[i])) for i in range(8)
    )
    for other in others:
        found = overtaking(other, chosen)
        ahead = (mixed[:, other.id] > mixed[:, chosen.id]).tolist()
        assert found.ahead == ahead[GRID.index(alpha)]
        assert found.at is not None
        for at, is_ahead in zip(GRID, ahead, strict=True):
            if abs(at - found.at) > 1e-9:
                assert is_ahead == ((at > found.at) == found.above)


def test_what_training_moved_alike_never_crosses() -> None:
    ahead = overtaking(candidate(-1.0, -2.0, -1.5), candidate(-2.0, -3.0, -2.5))
    behind = overtaking(candidate(-2.0, -3.0, -2.5), candidate(-1.0, -2.0, -1.5))
    assert (ahead.at, ahead.ahead) == (None, True)
    assert (behind.at, behind.ahead) == (None, False)


@pytest.mark.parametrize("side", [(-math.inf, -1.0), (-1.0, -math.inf), (-math.inf, -math.inf)])
def test_what_a_side_rules_out_has_no_crossing(side: tuple[float, float]) -> None:
    assert overtaking(candidate(*side), candidate(-1.0, -1.0)).at is None
    assert overtaking(candidate(-1.0, -1.0), candidate(*side)).at is None


def test_rounding_makes_no_crossing() -> None:
    assert overtaking(candidate(-2.000001, -3.0), candidate(-1.0, -2.0)).at is None


def test_tokens_that_alpha_does_not_change_keep_their_order() -> None:
    """As ends of turn that keep after's probability."""
    a, b = Candidate(1, "a", -9.0, -1.0, -1.0), Candidate(2, "b", -1.0, -2.0, -2.0)
    found = [overtaking(*pair, fixed={1, 2}) for pair in ((a, b), (b, a))]
    assert [(one.at, one.ahead) for one in found] == [(None, True), (None, False)]


def test_where_one_of_two_tokens_does_not_change_the_crossing_is_unknown() -> None:
    """It depends on how all other tokens share what is left."""
    a, b = Candidate(1, "a", -9.0, -1.0, -1.0), Candidate(2, "b", -1.0, -2.0, -2.0)
    found = [overtaking(*pair, fixed={1}) for pair in ((a, b), (b, a))]
    assert [(one.at, one.ahead) for one in found] == [(math.inf, True), (math.inf, False)]

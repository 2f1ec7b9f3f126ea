"""Numbers as they are written everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.number_format import MINUS, signed


@pytest.mark.parametrize(
    ("alpha", "written"),
    [(0.0, "0"), (-0.0, "0"), (1.0, "+1"), (-1.0, "−1"), (1.5, "+1.5"), (64, "+64"),
     (-1e-05, "−1e−05"), (0.123456, "+0.123456"), (12345, "+12345")],
)  # fmt: skip
def test_alpha_has_a_sign(alpha: float, written: str) -> None:
    assert signed(alpha) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_alpha_is_written_as_another(alpha: float) -> None:
    assert float(signed(alpha).replace(MINUS, "-")) == alpha

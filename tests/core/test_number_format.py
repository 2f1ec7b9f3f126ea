"""Numbers as they are written everywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.number_format import (
    MINUS,
    bar,
    context,
    count,
    delta,
    delta_sum,
    exact,
    fraction,
    nats,
    number,
    percent,
    perplexity,
    probability,
    quantity,
    sampling_line,
    sampling_parts,
    signed,
)
from logit_amp_chat.core.records import NO_LIMIT
from logit_amp_chat.core.sampling import Sampling


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


@pytest.mark.parametrize(
    ("value", "shown"),
    [(512, "512"), (2**62 + 1, "4611686018427387905"), (0.7, "0.7"), (1e-5, "1e−05"), (-2.0, "−2")],
)
def test_a_setting_is_written_to_its_last_digit(value: float, shown: str) -> None:
    assert exact(value) == shown


@pytest.mark.parametrize(
    ("p", "shown"), [(1.0, "1.000"), (0.932, "0.932"), (0.001, "0.001"), (2e-7, " 2e−7"),
                     (0.0, "    0"), (1e-45, "1e−45")],
)  # fmt: skip
def test_probabilities_take_five_cells(p: float, shown: str) -> None:
    log_prob = math.log(p) if p else -math.inf
    assert probability(log_prob) == fraction(p) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (8.01234, "8.012"),
        (999.96, "1000"),
        (1234.5, "1,234"),
        (2e7, "2e+07"),
        (math.inf, "∞"),
        (math.nan, "–"),
    ],
)
def test_perplexities_have_four_digits_or_thousands(value: float, shown: str) -> None:
    assert perplexity(value) == shown


def test_what_is_no_probability_is_shown_as_such() -> None:
    assert probability(math.nan) == fraction(math.nan) == "    –"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(6.024, " +6.02"), (-0.004, "  0.00"), (0.004, "  0.00"), (-0.0, "  0.00"),
     (-0.006, " −0.01"), (-123.4, "−123.4"), (math.inf, "    +∞"), (-math.inf, "    −∞"),
     (math.nan, "     –")],
)  # fmt: skip
def test_differences_take_six_cells(value: float, shown: str) -> None:
    assert delta(value) == shown


@pytest.mark.parametrize("value", [-0.0, -1e-9, 0.0, 1e-9])
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert nats(value) == "0.00"
    assert delta(value, 0) == "0.00"
    assert not number(min(value, -0.0), 1).startswith(f"{MINUS}0")


@pytest.mark.parametrize("fraction", [-1, 0, 0.01, 0.5, 0.999, 1, 2])
def test_a_bar_always_has_its_width(fraction: float) -> None:
    assert len(bar(fraction, 7)) == 7


def test_bytes_are_shown_in_mb_and_gb() -> None:
    assert quantity(4_000_000, "bytes") == "4.0 MB"
    assert quantity(16_060_000_000, "bytes") == "16.06 GB"
    assert quantity(1290, "tensors") == "1,290"


def test_ends_that_are_not_mixed_are_named_however_little_room_there_is() -> None:
    kept = Sampling(ends="after")
    assert sampling_line(kept) == "τ 0.01  T 0.7  top-p 0.9  ends after"
    assert sampling_line(kept, 1) == "τ.01 T.7 p.9 ends after"
    assert "ends" not in sampling_line(Sampling())


def test_penalties_are_named_where_they_are_on() -> None:
    both = Sampling(repetition_penalty=1.1, dry_multiplier=0.8, penalize="all")
    assert sampling_line(both).endswith("repetition 1.1  DRY 0.8  penalize all")
    assert sampling_line(both, 1) == "τ.01 T.7 p.9 r1.1 d.8 penalize all"
    assert sampling_line(Sampling(penalize="all")) == sampling_line(Sampling())


def test_stop_strings_are_named_however_little_room_there_is() -> None:
    two = Sampling(stop=("\nUser:", "a  b\x1b"))
    assert sampling_line(two) == r"τ 0.01  T 0.7  top-p 0.9  stop “\nUser:|a  b␛”"
    assert sampling_line(two, 30) == "τ 0.01 T 0.7 p 0.9 stop"
    assert sampling_line(two, 1) == "τ.01 T.7 p.9 stop"
    assert sampling_parts(two)[-1] == r"stop “\nUser:|a  b␛”"


def test_a_context_without_a_limit_has_none() -> None:
    assert context(117, 8192) == "context 117/8192"
    assert context(117, NO_LIMIT) == "context 117"


def test_a_small_number_is_not_zero() -> None:
    shown = [number(2e-6, 1), number(-3.25e-5), number(0.0), number(123456.0)]
    assert shown == ["2e−6", "−3.25e−5", "0", "123456"]


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0%"),
        (1, "100%"),
        (0.99999, "100%"),
        (0.9994, "99.9%"),
        (0.275, "27.5%"),
        (0.05, "5.00%"),
        (0.0202, "2.02%"),
        (0.000202, "0.0202%"),
        (3e-9, "0.000000300%"),
        (2e-12, "2.00e−10%"),
        (-0.031, "−3.10%"),
        (math.nan, "–"),
    ],
)
def test_per_cent_has_three_significant_digits(share: float, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(1, "token", "1 token"), (2, "token", "2 tokens"), (1, "reply", "1 reply"),
     (0, "reply", "0 replies"), (1200, "plain reply", "1,200 plain replies")],
)  # fmt: skip
def test_a_count_is_followed_by_its_noun(number: int, noun: str, said: str) -> None:
    assert count(number, noun) == said


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-18182.66, "−18,182.7"),
        (1234.0, "+1,234.0"),
        (999.94, "+999.9"),
        (-5.194, "−5.19"),
        (0.001, "0.00"),
        (math.inf, "+∞"),
        (math.nan, "–"),
    ],
)
def test_of_sums_the_thousands_are_told_apart(value: float, text: str) -> None:
    assert delta_sum(value) == text

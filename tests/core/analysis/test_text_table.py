"""A text that was read as a table: a row per scored token."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.analysis.text_table import TokenRows, columns
from tests.core.read_texts import BEFORE, document, steps

WORDS = [("one\n", 0.5), ("two", -1.0)]


def test_a_row_has_the_place_and_every_number() -> None:
    read = document(WORDS, place="text 2", line=10)
    _, row = TokenRows(read, ()).of(steps(WORDS), ())
    assert dict(zip(columns(()), row, strict=True)) == {
        "source": "notes.txt",
        "place": "text 2",
        "message": None,
        "line": 11,
        "column": 1,
        "start": 4,
        "end": 7,
        "index": 1,
        "token": 1,
        "text": "two",
        "special": False,
        "logp_before": BEFORE,
        "logp_after": BEFORE - 1,
        "rank_before": 4,
        "rank_after": 3,
        "log_ratio": -1.0,
        "kl": 1.5,
        "entropy": 1.25,
    }


def test_a_token_of_a_chat_is_placed_in_its_message() -> None:
    read = document(WORDS, spans=((0, "user", 0, 4), (1, "assistant", 4, 7)))
    rows = TokenRows(read, ()).of(steps(WORDS), ())
    placed = [dict(zip(columns(()), row, strict=True)) for row in rows]
    assert [row["message"] for row in placed] == [1, 2]
    assert [(row["line"], row["column"]) for row in placed] == [(1, 1), (1, 1)]


def test_every_alpha_that_was_asked_for_has_a_column() -> None:
    alphas = (1.0, -0.5)
    (row, _) = TokenRows(document(WORDS), alphas).of(steps(WORDS), ((-7.0,), (-8.0,)))
    named = dict(zip(columns(alphas), row, strict=True))
    assert named["logp_at_1.0"] == BEFORE + 0.5
    assert named["logp_at_-0.5"] == -7.0


def test_log_probabilities_that_are_missing_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(TokenRows(document(WORDS), (1.0, 2.0)).of(steps(WORDS), ((-7.0,),)))

"""Wrapping by cells, grown piece by piece."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from logit_amp_chat.tui.token_log.wrapping import WrappedText, clip

PIECES = st.lists(st.text(st.sampled_from("ab é日🙂 \n-"), max_size=12), max_size=30)


def lines_of(wrapped: WrappedText) -> list[str]:
    return ["".join(span.text for span in line) for line in wrapped.lines]


def wrapped_of(width: int, *pieces: str) -> WrappedText:
    wrapped = WrappedText(width)
    for index, piece in enumerate(pieces):
        wrapped.add(piece, step=index)
    return wrapped


def test_breaks_at_spaces_and_keeps_one_column_for_them() -> None:
    assert lines_of(wrapped_of(10, "the", " quick", " fox")) == ["the quick ", "fox"]


def test_a_word_made_of_several_tokens_moves_as_one() -> None:
    assert lines_of(wrapped_of(10, "say", " won", "der", "ful")) == ["say ", "wonderful"]


def test_a_word_that_is_too_long_is_cut_by_cells() -> None:
    assert lines_of(wrapped_of(5, "abcdefghij")) == ["abcd", "efgh", "ij"]
    assert lines_of(wrapped_of(6, "日本語です")) == ["日本", "語で", "す"]


def test_a_newline_leaves_a_cell_to_stand_on() -> None:
    wrapped = wrapped_of(10, "a", "\n", "b")
    assert [(span.kind, span.step) for span in wrapped.lines[0]] == [("text", 0), ("newline", 1)]


def test_a_mark_stays_together() -> None:
    wrapped = wrapped_of(12, "otters", " eat")
    wrapped.add_whole("‹α +2›", "mark")
    assert lines_of(wrapped) == ["otters eat", "‹α +2›"]


@given(PIECES, st.integers(4, 40))
def test_nothing_is_lost_and_no_line_is_too_wide(pieces: list[str], width: int) -> None:
    wrapped = wrapped_of(width, *pieces)
    shown = "".join(lines_of(wrapped)).replace(" ", "")
    assert shown == "".join(pieces).replace(" ", "").replace("\n", "")
    for line in wrapped.lines:
        assert sum(span.width for span in line) <= width
        assert all(span.width == cell_len(span.text) for span in line)


@given(PIECES, st.integers(4, 40))
def test_a_new_piece_leaves_all_but_the_last_line_alone(pieces: list[str], width: int) -> None:
    wrapped = WrappedText(width)
    for piece in pieces:
        done = [list(line) for line in wrapped.lines[:-1]]
        wrapped.add(piece)
        assert wrapped.lines[: len(done)] == done


def test_clip_says_that_something_is_missing() -> None:
    assert clip("abcdef", 4) == "abc…"
    assert clip("日本語", 4) == "日…"
    assert clip("abc", 3) == "abc"

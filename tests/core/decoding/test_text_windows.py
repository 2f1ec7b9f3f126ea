"""Windows measure every token of a text once, each after as much of it as fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.decoding.text_windows import Window, windows


def test_a_text_that_fits_is_one_window() -> None:
    assert list(windows(5, 8, 4)) == [Window(0, 0, 5)]


def test_later_windows_begin_with_what_was_measured_before() -> None:
    assert list(windows(10, 6, 2)) == [Window(0, 0, 6), Window(2, 6, 8), Window(4, 8, 10)]


def test_the_last_window_is_as_long_as_the_others() -> None:
    assert list(windows(7, 6, 4))[-1] == Window(1, 6, 7)


def test_nothing_has_no_window() -> None:
    assert list(windows(0, 8, 4)) == []


@given(st.integers(1, 300), st.integers(2, 60), st.data())
def test_every_token_is_measured_once_and_no_window_is_too_long(
    length: int, room: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, room - 1))
    measured: list[int] = []
    for window in windows(length, room, stride):
        assert 0 <= window.begin <= window.first < window.end
        assert window.end - window.begin <= room
        # at least this much comes before a later window's first token
        assert window.first == 0 or window.first - window.begin >= min(room - stride, window.first)
        measured += range(window.first, window.end)
    assert measured == [*range(length)]

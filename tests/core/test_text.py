"""Untrusted text made safe, and bytes made text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.text import Utf8Stream, clean, parsed, typed, visible

any_text = st.text(st.characters(exclude_categories=()) | st.characters(categories=["Cc", "Cf"]))


@given(any_text)
def test_nothing_unseen_reaches_the_screen(text: str) -> None:
    for character in visible(text):
        category = unicodedata.category(character)
        assert character in "\n\t" or category not in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


@given(any_text)
def test_one_line_stays_one_line(text: str) -> None:
    assert len(visible(text, newlines=False).splitlines()) <= 1
    assert "\t" not in visible(text, newlines=False)


@given(any_text)
def test_the_result_can_be_encoded(text: str) -> None:
    visible(text).encode()
    clean(text).encode()


@given(any_text, any_text)
def test_pieces_of_a_stream_join_up(one: str, two: str) -> None:
    assert visible(one) + visible(two) == visible(one + two)


@given(any_text)
def test_nothing_is_dropped(text: str) -> None:
    assert len(visible(text)) >= len(text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("\x1b]52;c;YQ==\x07", "␛]52;c;YQ==␇"),
        ("\x9b31m", "‹U+009B›31m"),
        ("a\u202eb", "a‹RLO›b"),
        ("zero\u200bwidth", "zero‹ZWSP›width"),
        ("\ud800", "‹U+D800›"),
        ("\U000e0041", "‹U+E0041›"),
        ("\u3164", "‹U+3164›"),
        ("\r\n", "␍\n"),
        ("\x7f", "␡"),
        ("tab\tline\n", "tab\tline\n"),
        ("naïve 日本語 🙂 ❤️", "naïve 日本語 🙂 ❤️"),
    ],
)
def test_what_is_shown(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(st.text(), st.integers(1, 4))
def test_split_characters_are_joined(text: str, size: int) -> None:
    data = text.encode()
    stream = Utf8Stream()
    pieces = [stream.feed(data[i : i + size]) for i in range(0, len(data), size)]
    assert "".join(pieces) + stream.finish() == text


@given(st.lists(st.binary(max_size=5)))
def test_invalid_bytes_are_shown_as_all_at_once(pieces: list[bytes]) -> None:
    stream = Utf8Stream()
    text = "".join(map(stream.feed, pieces)) + stream.finish()
    assert text == b"".join(pieces).decode("utf-8", "replace")


def test_a_lone_surrogate_is_replaced() -> None:
    assert clean("a\udc80b") == "a\ufffdb"
    assert clean("naïve 🙂") == "naïve 🙂"


def test_an_unfinished_character_is_shown_at_the_end() -> None:
    stream = Utf8Stream()
    assert stream.feed(b"a\xc3") == "a"
    assert stream.finish() == "\ufffd"


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("", ()),
        ("END", ("END",)),
        (r"\nUser:|###", ("\nUser:", "###")),
        (r"a\|b|\\n|\t", ("a|b", "\\n", "\t")),
        (r"\d", (r"\d",)),  # no escape of ours
        (" a | b", (" a ", " b")),
        ("|a||", ("a",)),
        ("a\\", ("a\\",)),
    ],
)
def test_texts_are_typed_in_one_line(line: str, texts: tuple[str, ...]) -> None:
    assert parsed(line) == texts


@given(st.lists(st.text(alphabet="ab|\\\n\t\r ntr", min_size=1)))
def test_every_text_can_be_typed(texts: list[str]) -> None:
    assert parsed(typed(texts)) == tuple(texts)

"""Lines that come in one bunch are told from keys that were typed ahead."""

from __future__ import annotations

import pytest
from textual import events
from textual.message import Message

from logit_amp_chat.tui.terminal.key_bunch import Lines, joined, may_go_on

NAMED = {"\r": "enter", "\n": "ctrl+j", "\t": "tab", "\x1b": "escape"}


def pressed(text: str) -> list[Message]:
    """The keys that a terminal sends for a text."""
    return [events.Key(NAMED.get(letter, letter), letter) for letter in text]


def told(messages: list[Message]) -> list[str]:
    """Lines by their text, everything else by its name."""
    return [
        repr(one.text) if isinstance(one, Lines) else getattr(one, "key", type(one).__name__)
        for one in joined(messages)
    ]


@pytest.mark.parametrize(
    "text", ["hi", "hi\r", "\r", "\rhi", "hi\r\r", "\r\r", " \rhi", "a\x1bb\r", "a\nb\r"]
)
def test_what_was_typed_stays_keys(text: str) -> None:
    assert told(pressed(text)) == [NAMED.get(letter, letter) for letter in text]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\rtwo", "one\ntwo"),
        ("one\rtwo\r", "one\ntwo\n"),
        ("one\ntwo\r\nthree", "one\ntwo\n\nthree"),
        ("\tif x:\r\t\tgo\r", "\tif x:\n\t\tgo\n"),
        ("ä\r漢", "ä\n漢"),
    ],
)
def test_lines_are_one(text: str, lines: str) -> None:
    assert told(pressed(text)) == [repr(lines)]


def test_other_keys_part_lines() -> None:
    assert told(pressed("a\rb\x1bc\r")) == [repr("a\nb"), "escape", "c", "enter"]
    moved: list[Message] = [events.Paste("x\ny")]
    assert told([*pressed("a\rb"), *moved]) == [repr("a\nb"), "Paste"]


@pytest.mark.parametrize(
    ("text", "is_half"),
    [("one", False), ("one\r", True), ("one\rtwo", True), ("\r", False), ("one\r\x1b", False)],
)
def test_where_more_may_come(text: str, is_half: bool) -> None:
    assert may_go_on(pressed(text)) is is_half


def test_words() -> None:
    assert Lines([key for key in pressed("x = 1\rr = 2") if isinstance(key, events.Key)]).has_words
    assert not Lines([key for key in pressed("n\rj") if isinstance(key, events.Key)]).has_words

"""Stop strings: where they end a reply, over token boundaries and split characters."""

from __future__ import annotations

import random

import pytest

from logit_amp_chat.core.records import Finish, Step
from logit_amp_chat.core.transcripts.conversation import ReplyLog
from logit_amp_chat.core.transcripts.stop_strings import (
    HeldText,
    StopSearch,
    find_cut,
    text_before,
)
from tests.core.samples import reply, step


def ended_by(pieces: list[str], *stops: str) -> tuple[int, str] | None:
    """The index of the token that completes a stop string, and which."""
    search = StopSearch()
    for index, piece in enumerate(pieces):
        if stop := search.add(piece.encode(), stops):
            return index, stop
    return None


@pytest.mark.parametrize(
    ("pieces", "stops", "found"),
    [
        (["a", "\n", "User", ":", " b"], ["\nUser:"], (3, "\nUser:")),
        (["a\nUs", "er: b"], ["\nUser:"], (1, "\nUser:")),
        (["a", "b"], ["c"], None),
        (["one END two"], ["END"], (0, "END")),
        (["x", "yz"], ["z", "xyz", "yz"], (1, "xyz")),  # the one that begins first
        (["ab"], ["a", "ab"], (0, "ab")),  # of those the longest
        (["a", "b"], [], None),
    ],
)
def test_a_stop_string_is_found_where_a_token_completes_it(
    pieces: list[str], stops: list[str], found: tuple[int, str] | None
) -> None:
    assert ended_by(pieces, *stops) == found


def test_characters_split_between_tokens_are_found() -> None:
    search = StopSearch()
    stop = "é→"
    data = f"caf{stop}!".encode()
    found = [search.add(data[n : n + 1], [stop]) for n in range(len(data))]
    assert found.index(stop) == len(f"caf{stop}".encode()) - 1


def test_what_stood_there_before_the_stop_string_was_asked_for_ends_nothing() -> None:
    search = StopSearch()
    assert search.add(b"a END b", []) is None
    assert search.add(b" c", ["END"]) is None
    assert search.add(b" END", ["END"]) == "END"


def test_a_stop_string_may_begin_before_it_was_asked_for() -> None:
    search = StopSearch()
    search.add(b"\nUs", [])
    assert search.add(b"er:", ["\nUser:"]) == "\nUser:"


def test_found_by_search_equals_the_first_occurrence_in_the_text() -> None:
    """The definition, on random texts cut anywhere: the text ends before the first occurrence."""
    rng = random.Random(0)
    for _ in range(300):
        text = "".join(rng.choice("ab\né") for _ in range(30))
        stop = "".join(rng.choice("ab\né") for _ in range(rng.randint(1, 4)))
        data, pieces = text.encode(), list[bytes]()
        while data:
            size = rng.randint(1, 3)
            pieces.append(data[:size])
            data = data[size:]
        search, said = StopSearch(), list[Step]()
        for index, piece in enumerate(pieces):
            said.append(step(index, piece.decode(errors="replace"), data=piece))
            if found := search.add(piece, [stop]):
                assert found == stop
                break
        cut = find_cut(said, stop)
        expected = text.find(stop)
        assert (cut is None) == (expected < 0)
        if cut:
            assert text_before(said, cut) == text[:expected]


def test_the_text_of_a_reply_ends_before_its_stop_string() -> None:
    log = ReplyLog(reply())
    for index, piece in enumerate(["Otters", " eat.\nUs", "er: And"]):
        log.add(step(index, piece))
    assert log.text == "Otters eat.\nUser: And"
    log.add(Finish(reply="r-1", reason="stop", tokens=3, seconds=1.0, stop="\nUser:"))
    assert log.text == "Otters eat."
    assert len(log.steps) == 3


def test_special_tokens_before_a_stop_string_are_no_text() -> None:
    log = ReplyLog(reply())
    log.add(step(0, "<think>", special=True))
    log.add(step(1, "Hm. END"))
    log.add(Finish(reply="r-1", reason="stop", tokens=2, seconds=1.0, stop="END"))
    assert log.text == "Hm. "


def test_a_special_token_is_found_as_it_is_spelled() -> None:
    log = ReplyLog(reply())
    log.add(step(0, "Yes"))
    log.add(step(1, "<|im_start|>", special=True))
    log.add(Finish(reply="r-1", reason="stop", tokens=2, seconds=1.0, stop="<|im_start|>"))
    assert log.text == "Yes"


def test_a_stop_string_that_is_not_there_cuts_nothing() -> None:
    """A damaged file: the reply is shown whole."""
    log = ReplyLog(reply())
    log.add(step(0, "Yes"))
    log.add(Finish(reply="r-1", reason="stop", tokens=1, seconds=1.0, stop="No"))
    assert log.text == "Yes"


def test_held_text_never_shows_what_a_stop_string_takes_back() -> None:
    held = HeldText(["\nUser:"])
    shown = [held.add(step(n, t)) for n, t in enumerate(["Hi", "\n", "Use", "ful", "\nUser", ":"])]
    assert shown == ["Hi", "", "", "\nUseful", "", ""]
    assert held.finish("\nUser:") == ""


def test_held_text_gives_the_rest_where_no_stop_string_came() -> None:
    held = HeldText(["\nUser:"])
    assert [held.add(step(0, "Hi\nUs"))] == [""]
    assert held.finish(None) == "Hi\nUs"


def test_held_text_without_stop_strings_streams_every_token() -> None:
    held = HeldText()
    assert [held.add(step(n, t)) for n, t in enumerate("abc")] == ["a", "b", "c"]
    assert held.finish(None) == ""

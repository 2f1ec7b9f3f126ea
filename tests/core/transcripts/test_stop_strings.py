"""Stop strings: where they end a reply, over token boundaries and split characters."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from logit_amp_chat.core.export import describe
from logit_amp_chat.core.records import Finish
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.transcripts.stop_strings import HeldText, StopSearch
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


def test_the_text_ends_before_the_first_occurrence() -> None:
    """The definition, on random texts that are cut into tokens anywhere."""
    rng = random.Random(0)
    for _ in range(300):
        text = "".join(rng.choice("ab\né") for _ in range(30))
        stop = "".join(rng.choice("ab\né") for _ in range(rng.randint(1, 4)))
        data, search, log = text.encode(), StopSearch(), ReplyLog(replace(reply(), raw=True))
        found = None
        while data and found is None:
            size = rng.randint(1, 3)
            piece, data = data[:size], data[size:]
            log.add(step(len(log.steps), piece.decode(errors="replace"), data=piece))
            found = search.add(piece, [stop])
        log.add(ended(len(log.steps), found))
        expected = text.find(stop)
        assert (found is None) == (expected < 0)
        assert log.text == (text[:expected] if found else text)


def ended(tokens: int, stop: str | None) -> Finish:
    return Finish(reply="r-1", reason="stop", tokens=tokens, seconds=1.0, stop=stop)


def log_of(*said: str, stop: str) -> ReplyLog:
    log = ReplyLog(reply())
    for index, text in enumerate(said):
        log.add(step(index, text, special=text.startswith("<")))
    log.add(ended(len(said), stop))
    return log


def test_what_a_stop_string_takes_back_is_shown_as_special_tokens_are() -> None:
    log = log_of("Otters", " eat.\nUs", "er: And", stop="\nUser:")
    assert log.text == "Otters eat."
    spans = [(part.kind, text) for n in range(3) for part, text in log.parts.spans(n)]
    assert spans == [
        ("answer", "Otters"),
        ("answer", " eat."),
        ("special", "\nUs"),
        ("special", "er: And"),
    ]
    pieces = [*describe.pieces(log)]
    assert [piece.quiet for piece in pieces] == [False, False, True]
    assert "".join(one.text for one in describe.passages(log)) == "Otters eat."


def test_special_tokens_before_a_stop_string_are_no_text() -> None:
    assert log_of("<|x|>", "Hm. END", stop="END").text == "Hm. "


def test_a_special_token_is_found_as_it_is_spelled() -> None:
    assert log_of("Yes", "<|im_start|>", stop="<|im_start|>").text == "Yes"


def test_thinking_may_be_what_it_ends() -> None:
    log = log_of("<think>", "Hm. END", stop="END")
    assert (log.text, log.thinking) == ("", "Hm. ")


def test_a_stop_string_that_is_not_there_cuts_nothing() -> None:
    """A damaged file: the reply is shown whole."""
    assert log_of("Yes", stop="No").text == "Yes"


def test_the_history_has_the_ids_that_say_the_text() -> None:
    """Known where the stop string begins with a token; else the text is all there is."""
    whole = log_of("Otters", " eat.", "\nUs", "er:", stop="\nUser:")
    assert whole.as_message(with_ids=True).token_ids == (5, 6)  # as `step` numbers them
    half = log_of("Otters", " eat.\nUs", "er:", stop="\nUser:")
    message = half.as_message(with_ids=True)
    assert (message.token_ids, message.text) == (None, "Otters eat.")


def test_what_a_stop_string_may_take_back_is_held() -> None:
    held, sizes = HeldText(["\nUser:"]), []
    for piece in ("Hi", "\n", "Use", "ful", "x\nUser", ":!"):
        held.add(piece.encode())
        sizes.append(held.size)
    assert sizes == [0, 1, 4, 0, 5, 7]


def test_what_was_given_is_held_no_longer_than_that() -> None:
    """A stop string in given tokens ends nothing."""
    held = HeldText(["END"])
    held.add(b"END")
    held.add(b" and")
    assert held.size == 0

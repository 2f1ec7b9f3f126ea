"""A phrase is found as text, and decided by the token that completes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.phrases import Phrase, name_of
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from tests.core.experiments.sweep.made import prompt, reply


def verdict(text: str, said: SweepReply, begin: str = "", *, begins: bool = False) -> Verdict:
    (found,) = Phrase("p", text, begins=begins).verdicts([(prompt(begin=begin), said)])
    return found


def test_every_place_is_marked_and_the_first_decides() -> None:
    said = reply(["The ", "light", "house", ". A light", "house"])
    assert verdict("lighthouse", said) == Verdict(1.0, 3, ((4, 14), (18, 28)))
    assert verdict("a.b", said) == Verdict(0.0)


def test_a_beginning_counts_at_the_beginning_of_what_was_sampled() -> None:
    said = reply(["By", " the", " way. By"], begin="So: ")
    assert verdict("By the", said, "So: ", begins=True) == Verdict(1.0, 2, ((4, 10),))
    assert verdict("way", said, "So: ", begins=True).value == 0
    assert verdict("So", said, "So: ", begins=True).value == 0


def test_what_the_replies_are_made_to_begin_with_is_not_counted() -> None:
    said = reply(["x", "light"], begin="light")
    assert verdict("light", said, "light") == Verdict(1.0, 2, ((6, 11),))


@given(
    text=st.text("ab", min_size=1, max_size=3),
    begin=st.text("ab", max_size=2),
    pieces=st.lists(st.text("ab", max_size=3), min_size=1, max_size=8),
    begins=st.booleans(),
)
def test_decided_is_the_first_beginning_that_has_it(
    text: str, begin: str, pieces: list[str], begins: bool
) -> None:
    sampled = ["".join(pieces[:t]) for t in range(len(pieces) + 1)]
    has = [one.startswith(text) if begins else text in one for one in sampled]
    found = verdict(text, reply(pieces, begin=begin), begin, begins=begins)
    assert found.value == has[-1]
    assert found.decided == (has.index(True) if has[-1] else None)


def test_a_definition_gives_the_phrase_again() -> None:
    first = Phrase("p", "By the", (3, 4), begins=True)
    again = Phrase.defined("q", first.definition)
    assert again.definition == first.definition
    assert (again.name, again.tokens, again.begins) == ("q", (3, 4), True)
    for bad in ({}, {**first.definition, "tokens": ["a"]}, {**first.definition, "kind": "judge"}):
        with pytest.raises(UsageError, match="is no phrase"):
            Phrase.defined("p", bad)
    with pytest.raises(UsageError, match="is empty"):
        Phrase("p", "")


def test_names_are_made_of_words_and_are_not_taken_twice() -> None:
    assert name_of(" By the way, the Lighthouse!", ()) == "by-the-way-the-lighthouse"
    assert name_of(" one two three four five six seven", ()) == "one-two-three-four-five-six"
    assert name_of("a", ("A", "a-2")) == "a-3"
    assert name_of(" \n!", ()) == "phrase"
    assert len(name_of("x" * 500, ("x" * 56,))) <= 60

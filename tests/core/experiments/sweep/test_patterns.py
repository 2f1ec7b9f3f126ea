"""Patterns: which replies have them, and after which token that was decided."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.patterns import MOST_SPANS, Pattern
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from tests.core.experiments.sweep.made import prompt, reply


def verdict(pattern: str, said: SweepReply, begin: str = "") -> Verdict:
    (found,) = Pattern("habit", pattern).verdicts([(prompt(begin=begin), said)])
    return found


# --- what is a hit --------------------------------------------------------------


def test_a_hit_marks_every_match() -> None:
    found = verdict("ot+er", reply(["An ot", "ter, an", " other"]))
    assert found.value == 1
    assert found.spans == ((3, 8),)
    assert verdict("o.", reply("oh, otter")).spans == ((0, 2), (4, 6))
    assert verdict("seal", reply("otter")) == Verdict(0.0)


def test_capitals_count_unless_the_pattern_says_otherwise() -> None:
    assert verdict("otter", reply("Otter")).value == 0
    assert verdict("(?i)otter", reply("Otter")).value == 1


def test_characters_that_are_not_complete_are_not_searched() -> None:
    """The last token held half a character, which the text has as U+FFFD."""
    said = SweepReply(
        id="r",
        prompt="p1",
        alpha=0.0,
        n=0,
        seed=0,
        tokens=(1, 2),
        text="ab\ufffd",
        lengths=(1, 2),
        finish="length",
    )
    assert verdict("\ufffd", said).value == 0
    assert verdict("b$", said).value == 1


def test_a_text_without_tokens_is_searched_whole() -> None:
    said = SweepReply(
        id="r", prompt="p1", alpha=0, n=0, seed=0, tokens=(), text="ab", lengths=(), finish="stop"
    )
    assert verdict("b", said) == Verdict(1.0, None, ((1, 2),))


def test_the_marks_are_bounded() -> None:
    assert len(verdict("a", reply(["a" * 3 * MOST_SPANS])).spans) == MOST_SPANS


def test_an_empty_match_is_a_hit_without_a_mark() -> None:
    assert verdict("x*", reply("ab")) == Verdict(1.0, 0, ())


# --- when it is decided ---------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "decided"),
    [
        ("light", 2),
        ("lighthouse", 3),
        ("(?s)By.*!", 4),
        ("^By", 1),
        ("house$", None),
        (r"\bhouse", None),
        ("house(?=!)", None),
    ],
)
def test_a_pattern_is_decided_by_the_first_token_that_completes_it(
    pattern: str, decided: int | None
) -> None:
    said = reply(["By the ", "light", "house", "!", "\nhouse"])
    if not pattern.startswith(r"\b"):
        assert verdict(pattern, said).value == 1
    assert verdict(pattern, said).decided == decided


def test_the_text_that_replies_begin_with_decides_before_the_first_token() -> None:
    said = reply(["house", "."], begin="The light")
    assert verdict("light", said, begin="The light").decided == 0
    assert verdict("lighthouse", said, begin="The light").decided == 1


def test_a_beginning_that_the_tokens_spell_in_another_way_decides_nothing() -> None:
    said = reply(["light", "house"])
    assert verdict("light", said, begin=" light").decided == 1


PIECES = st.lists(st.text("ab\n", max_size=3), min_size=1, max_size=8)


@given(
    pattern=st.sampled_from(["ab", "a+b", "(?m)^a", "a.b", "b|aa", "a*?b", "[^a]", "(a)\\1"]),
    begin=st.text("ab", max_size=2),
    pieces=PIECES,
)
def test_decided_is_the_first_beginning_that_has_it(
    pattern: str, begin: str, pieces: list[str]
) -> None:
    beginnings = [begin + "".join(pieces[:t]) for t in range(len(pieces) + 1)]
    has = [regex.search(pattern, text) is not None for text in beginnings]
    found = verdict(pattern, reply(pieces, begin=begin), begin)
    assert found.value == has[-1]
    assert found.decided == (has.index(True) if has[-1] else None)


# --- what is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("ab(c", r"missing \) at character 5"),
        ("*a", "nothing to repeat at character 1"),
        ("[a", "unterminated character set"),
        (r"\p{Foo}", "unknown property"),
        ("(?V0)(?V1)a", "mutually incompatible"),
        ("(" * 5000, "nested too deep"),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_place(pattern: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        Pattern.parse(f"habit={pattern}")
    assert "habit" in refused.value.message


def test_a_search_that_does_not_end_is_an_error_that_names_the_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("logit_amp_chat.core.experiments.sweep.patterns.SECONDS", 0.05)
    said = reply(["a" * 60 + "c"], n=7)
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"habit, \(a\|aa\)\+\$, takes more than .* p1-0-7"):
        verdict("(a|aa)+$", said)
    assert time.monotonic() - began < 30

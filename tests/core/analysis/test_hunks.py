"""Hunks gather the tokens that stand out with those around, as git does with lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.analysis.hunks import LONGEST, Hunk, HunkFinder, Places, usual_threshold
from logit_amp_chat.core.records import Document, LogProbs, Ranks, Step


def document(
    text: str, offsets: Sequence[tuple[int, int]] | None = None, **fields: object
) -> Document:
    """One token a character, unless `offsets` says otherwise."""
    each = [(n, n + 1) for n in range(len(text))] if offsets is None else offsets
    return Document(
        id="d-1",
        text=text,
        tokens=len(each),
        offsets=tuple(each),
        threshold=1.0,
        window=64,
        stride=32,
        **fields,  # type: ignore[arg-type]
    )


def step(index: int, ratio: float) -> Step:
    return Step(
        reply="d-1",
        index=index,
        alpha=0.0,
        token=index,
        text="x",
        logp=LogProbs(-3.0, -3.0 + ratio, -3.0 + ratio),
        rank=Ranks(1, 1, 1),
        kl=0.5,
        kl_amplified=0.0,
        entropy=1.0,
    )


def found(read: Document, ratios: Sequence[float], context: int = 2) -> list[Hunk]:
    finder = HunkFinder(read, context)
    steps = [step(n, ratio) for n, ratio in enumerate(ratios)]
    return [*finder.take(steps), *finder.finish()]


def places(read: Document, ratios: Sequence[float], context: int = 2) -> list[list[int]]:
    return [[step.index for step in hunk.steps] for hunk in found(read, ratios, context)]


def test_a_token_that_stands_out_has_the_tokens_around_it() -> None:
    ratios = [0.0] * 10
    ratios[5] = -1.0
    assert places(document("a" * 10), ratios) == [[3, 4, 5, 6, 7]]


def test_nothing_stands_out_nothing_is_shown() -> None:
    assert places(document("abc"), [0.5, -0.9, 0.99]) == []


@pytest.mark.parametrize("second", [3, 5, 7])
def test_hunks_that_touch_are_one(second: int) -> None:
    ratios = [0.0] * 12
    ratios[2] = ratios[second] = 2.0
    assert places(document("a" * 12), ratios) == [[*range(second + 3)]]


def test_hunks_further_apart_share_no_token() -> None:
    ratios = [0.0] * 14
    ratios[2] = ratios[8] = 2.0
    assert places(document("a" * 14), ratios) == [[0, 1, 2, 3, 4], [6, 7, 8, 9, 10]]


def test_without_context_only_what_stands_out_is_there() -> None:
    assert places(document("abcde"), [0, 2, 2, 0, 2], context=0) == [[1, 2], [4]]


def test_text_that_is_not_scored_ends_a_hunk() -> None:
    read = document("ab user cd", [(0, 1), (1, 2), (8, 9), (9, 10)])
    assert places(read, [0, 2, 2, 0]) == [[0, 1], [2, 3]]


def test_a_hunk_is_cut_before_it_grows_without_end() -> None:
    lengths = [len(one) for one in places(document("a" * 500), [2.0] * 500)]
    assert lengths == [LONGEST, LONGEST, 500 - 2 * LONGEST]


def test_a_cut_keeps_what_is_around_the_next_token() -> None:
    ratios = [*[2.0] * (LONGEST - 4), *[0.0] * 4, 2.0]
    found = places(document("a" * len(ratios)), ratios)
    assert found == [[*range(LONGEST - 2)], [*range(LONGEST - 2, LONGEST + 1)]]


@given(
    st.lists(st.sampled_from([0.0, 0.5, -1.0, 3.0]), max_size=60),
    st.integers(0, 4),
    st.integers(1, 7),
)
def test_hunks_hold_all_that_stands_out_once_however_it_arrives(
    ratios: list[float], context: int, block: int
) -> None:
    read = document("a" * len(ratios))
    finder = HunkFinder(read, context)
    steps = [step(n, ratio) for n, ratio in enumerate(ratios)]
    blocks = [steps[n : n + block] for n in range(0, len(steps), block)]
    shown = [hunk for part in blocks for hunk in finder.take(part)] + [*finder.finish()]
    indices = [one.index for hunk in shown for one in hunk.steps]
    notable = {n for n, ratio in enumerate(ratios) if abs(ratio) >= 1}
    near = {m for n in notable for m in range(n - context, n + context + 1)}
    assert len(indices) == len(set(indices))
    assert notable <= set(indices)
    assert set(indices) >= {m for m in near if 0 <= m < len(ratios)}
    for hunk in shown:
        assert hunk.notable
        assert [s.index for s in hunk.steps] == [*range(hunk.first, hunk.first + len(hunk.steps))]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([[0.1, -5.0, 0.2]], 1.0),  # fewer than three places
        ([[9.0, *[0.0] * 20, -4.56, *[0.0] * 20, 2.0]], 2.0),
        ([[9.0, 8.0, 7.0, *[0.0] * 20, -4.56, *[0.0] * 20, 2.39]], 2.3),  # neighbours are one
        ([[9.0], [-8.0], [7.77]], 7.7),  # in texts of their own they are not
        ([[0.5, *[0.0] * 20, 0.4, *[0.0] * 20, 0.3]], 1.0),
        ([[float(n) if n % 50 == 0 else 0.0 for n in range(1000)]], 500.0),  # ten of the thousand
        ([], 1.0),
        ([[math.inf, *[0.0] * 20, math.inf, *[0.0] * 20, math.inf]], 1.0),
    ],
)
def test_the_usual_threshold_gives_a_page_a_few_places(
    texts: list[list[float]], expected: float
) -> None:
    assert usual_threshold(texts) == expected


def test_the_figures_of_a_hunk_are_those_from_the_first_to_the_last_that_stands_out() -> None:
    (hunk,) = found(document("abcde"), [0.25, 2.0, -0.5, 3.0, 0.25])
    assert [one.index for one in hunk.core] == [1, 2, 3]
    assert hunk.log_ratio == pytest.approx(4.5)
    assert hunk.kl == pytest.approx(0.5)
    assert hunk.strongest.index == 3
    assert [one.index for one in hunk.notable] == [1, 3]


def test_tokens_show_the_source_and_shared_characters_once() -> None:
    """Three tokens for one character, as byte-level tokenizers have them."""
    read = document("aéb", [(0, 1), (1, 2), (1, 2), (2, 3)])
    (hunk,) = found(read, [0, 2.0, 0, 0])
    assert [hunk.text_of(one) for one in hunk.steps] == ["a", "é", "", "b"]


def test_spaces_that_no_token_carries_are_shown_with_the_next() -> None:
    """As of BERT's tokenizer, which drops them."""
    (hunk,) = found(document(" a b", [(1, 2), (3, 4)]), [2.0, 2.0])
    assert [hunk.text_of(one) for one in hunk.steps] == ["a", " b"]


def test_places_are_lines_and_columns_of_the_source() -> None:
    at = Places(document("ab\ncd\n\ne", line=10))
    assert [str(at.of(n)) for n in (0, 1, 3, 7)] == ["10:1", "10:2", "11:1", "13:1"]


def test_places_in_a_chat_are_those_of_the_message() -> None:
    text = "<u>hi\nyou<a>so\nit is"
    at = Places(document(text, spans=((0, "user", 3, 9), (1, "assistant", 12, 20))))
    assert str(at.of(3)) == "message 1 (user), 1:1"
    assert str(at.of(6)) == "message 1 (user), 2:1"
    assert str(at.of(12)) == "message 2 (assistant), 1:1"
    assert str(at.of(16)) == "message 2 (assistant), 2:2"
    assert str(at.of(20 - 1)) == "message 2 (assistant), 2:5"


def test_an_end_of_turn_stands_at_the_end_of_its_message() -> None:
    """Its own text is the template's, right after the message."""
    text = "<a>so<|end|>"
    read = document(text, [(3, 5), (5, 12)], spans=((0, "assistant", 3, 5),))
    assert str(Places(read).of(1)) == "message 1 (assistant), 1:3"


@given(st.text(alphabet="ab\n", min_size=1, max_size=40), st.data())
def test_places_count_as_splitting_does(text: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(text) - 1))
    lines = text[:index].split("\n")
    place = Places(document(text)).of(index)
    assert (place.line, place.column) == (len(lines), len(lines[-1]) + 1)


def test_a_wide_context_cuts_nothing_where_nothing_stands_out() -> None:
    ratios = [*[0.0] * 300, 2.0]
    (hunk,) = found(document("a" * 301), ratios, context=250)
    assert (hunk.first, len(hunk.steps), [one.index for one in hunk.core]) == (50, 251, [300])


def test_a_token_that_is_missing_ends_a_hunk() -> None:
    """As in a file that lacks a line."""
    finder = HunkFinder(document("a" * 9))
    steps = [step(n, 2.0 if n in (3, 5) else 0.0) for n in range(9) if n != 4]
    hunks = [*finder.take(steps), *finder.finish()]
    assert [[one.index for one in hunk.core] for hunk in hunks] == [[3], [5]]
    assert [hunk.log_ratio for hunk in hunks] == [2.0, 2.0]

"""Texts that were read: figures of all tokens, and the strongest hunks in bounded memory."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.export.readings import Reading, Readings, read_documents
from logit_amp_chat.core.records import Finish, Record, Step
from tests.core import samples
from tests.core.read_texts import BEFORE, Word, document, finish, reading, step, steps

QUIET: list[Word] = [(" x", 0.0)] * 20


def only(*records: Record) -> Reading:
    (found,) = read_documents(records)
    return found


def test_the_figures_are_those_of_every_token() -> None:
    words = [*QUIET, (" loud", 3.0), *QUIET, (" low", -2.0)]
    found = only(*reading(words))
    ratios = [ratio for _, ratio in words]
    assert found.stats.tokens == found.scored == len(words)
    assert found.stats.logp_before == pytest.approx(BEFORE * len(words))
    assert found.stats.log_ratio == pytest.approx(sum(ratios))
    assert found.stats.mean_kl == pytest.approx(sum(0.5 + n for n in range(42)) / 42)
    assert (found.stats.raised, found.stats.lowered) == (1, 1)


def test_a_hunk_has_the_words_around_and_the_place_of_the_first_that_stands_out() -> None:
    words = [("one\n", 0.0), ("two ", 0.0), ("three", 3.0), (" four", 0.5)]
    (passage,) = only(*reading(words)).passages.values()
    assert passage.texts == ("one\n", "two ", "three", " four")
    assert str(passage.place) == "2:5"
    assert passage.notable == (False, False, True, False)
    assert passage.strongest[1] == "three"
    assert passage.log_ratio == pytest.approx(3.0)
    assert passage.kl == pytest.approx(2.5)


def test_its_text_is_not_kept() -> None:
    found = only(*reading([("word", 3.0)]))
    assert (found.document.text, found.document.offsets) == ("", ())


def test_a_text_without_an_end_was_cut_off_and_has_its_last_hunk() -> None:
    found = only(document([("a", 0.0), ("b", 3.0), ("c", 0.0)]), *steps([("a", 0.0), ("b", 3.0)]))
    assert found.finish is None
    assert (found.stats.tokens, found.scored) == (2, 3)
    assert [passage.texts for passage in found.passages.values()] == [("a", "b")]


def test_each_text_has_the_session_that_read_it() -> None:
    first, second = samples.session(), samples.session()
    found = read_documents(
        [first, *reading([("a", 0.0)]), second, *reading([("b", 0.0)], id="d-2")]
    )
    assert found[0].session is first
    assert found[1].session is second


@pytest.mark.parametrize(
    "stray",
    [
        step(5, "x", 9.0),  # beyond the text
        step(-1, "x", 9.0),
        step(0, "x", 9.0),  # again
        step(1, "x", 9.0, document="d-9"),
        finish(1, "d-9"),
        samples.step(0, "x"),  # of a reply
    ],
)
def test_what_is_not_of_the_text_is_ignored(stray: Step | Finish) -> None:
    words = [("a", 0.0), ("b", 3.0)]
    read, first, second, end = reading(words)
    found = only(read, first, stray, second, end)
    expected = only(read, first, second, end)
    assert found.stats == expected.stats
    assert found.passages == expected.passages
    assert found.finish == end


def test_steps_before_any_text_are_ignored() -> None:
    assert read_documents([step(0, "a", 3.0), finish(1)]) == []


def test_all_alphas_come_with_an_engines_steps_and_the_first_with_a_file() -> None:
    words = [("a", 1.0)]
    read = document(words, alphas=(1.0, 2.0))
    (one,) = steps(words)
    live = Readings(every_alpha=True)
    live.begin(read, None)
    live.add((one,), ((-7.0,),))
    live.end(finish(1))
    assert live.all[0].stats.logp_at == [one.logp.amplified, -7.0]
    assert only(read, one, finish(1)).stats.logp_at == [one.logp.amplified]


@given(st.lists(st.floats(2, 50), min_size=1, max_size=30), st.integers(1, 60))
def test_the_strongest_hunks_stay_in_their_order(peaks: list[float], most: int) -> None:
    """Every hunk has three tokens: one that stands out, one before and one after it."""
    words: list[Word] = [("x", 0.0)]
    for peak in peaks:
        words += [("loud", peak), ("x", 0.0), ("x", 0.0), ("x", 0.0)]
    found = Readings(1, most=most)
    found.begin(document(words), None)
    for one in steps(words):
        found.add((one,))
    found.end(finish(len(words)))
    (read,) = found.all
    room = max(1, most // 3)
    strongest = sorted(range(len(peaks)), key=lambda n: (-_ratio(peaks[n]), n))[:room]
    assert list(read.passages) == sorted(strongest)
    assert read.found == len(peaks)
    assert read.left_out == max(0, len(peaks) - room)


def _ratio(peak: float) -> float:
    """The log-ratio as it comes out of the two log-probabilities."""
    return (BEFORE + peak) - BEFORE


def test_the_bound_is_that_of_all_texts_together() -> None:
    found = Readings(0, most=2)
    for n, peak in enumerate((3.0, 9.0, 5.0)):
        words = [("x", 0.0), ("loud", peak)]
        found.begin(document(words, id=f"d-{n}"), None)
        found.add(steps(words, f"d-{n}"))
        found.end(finish(2, f"d-{n}"))
    assert [len(read.passages) for read in found.all] == [0, 1, 1]
    assert [read.left_out for read in found.all] == [1, 0, 0]


numbers = st.integers(-3, 40) | st.sampled_from([-(1 << 70), 1 << 70])
anything = st.floats() | st.sampled_from([0.0, math.nan, math.inf, -math.inf])


@given(
    st.text(max_size=20),
    st.lists(st.tuples(numbers, numbers), max_size=6),
    st.lists(st.tuples(numbers, st.just("user"), numbers, numbers), max_size=2),
    st.lists(st.tuples(numbers, anything), max_size=8),
    st.tuples(anything, st.lists(anything, max_size=2), numbers),
)
def test_a_file_may_say_anything_of_a_text(
    text: str,
    offsets: list[tuple[int, int]],
    spans: list[tuple[int, str, int, int]],
    tokens: list[tuple[int, float]],
    other: tuple[float, list[float], int],
) -> None:
    threshold, alphas, window = other
    fields: dict[str, Any] = {"text": text, "offsets": tuple(offsets), "spans": tuple(spans)}
    fields |= {"threshold": threshold, "alphas": tuple(alphas), "window": window}
    records: list[Record] = [dataclasses.replace(document([]), **fields)]
    records += [step(index, "x", ratio) for index, ratio in tokens]
    to_html(records)
    to_document(records, markdown=True)


def test_numbers_that_are_none_are_survived() -> None:
    words = [("a", math.nan), ("b", math.inf), ("c", -math.inf)]
    found = only(*reading(words))
    (passage,) = found.passages.values()
    assert passage.strongest[1] == "b"

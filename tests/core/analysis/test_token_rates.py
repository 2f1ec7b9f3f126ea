"""What after says more: rates, standard errors over documents, and marks that hold."""

from __future__ import annotations

import math

import numpy
import pytest

from logit_amp_chat.core.analysis import token_rates
from logit_amp_chat.core.analysis.token_rates import TokenRates
from logit_amp_chat.core.reading import ReadBlock, TokenSums
from logit_amp_chat.core.records import Document, LogProbs, Ranks, Step

SIZE = 6


def document(tokens: int, gap_after: int | None = None) -> Document:
    """One character a token; after `gap_after` tokens comes text that is not scored."""
    shift = [10 if gap_after is not None and n >= gap_after else 0 for n in range(tokens)]
    return Document(
        id="d",
        text="a" * (tokens + 20),
        tokens=tokens,
        offsets=tuple((n + s, n + s + 1) for n, s in enumerate(shift)),
        threshold=1.0,
        window=8,
        stride=4,
    )


def block(*tokens: tuple[int, float, float]) -> ReadBlock:
    """Tokens with their probabilities before and after."""
    steps = tuple(
        Step(
            reply="d",
            index=n,
            alpha=0.0,
            token=token,
            text="x",
            logp=LogProbs(math.log(before), math.log(after), math.log(after)),
            rank=Ranks(1, 1, 1),
            kl=0.1,
            kl_amplified=0.0,
            entropy=1.0,
        )
        for n, (token, before, after) in enumerate(tokens)
    )
    return ReadBlock(document="d", done=len(steps), total=len(steps), steps=steps, further=())


def sums(positions: int, before: list[float], after: list[float]) -> TokenSums:
    return TokenSums(
        document="d", positions=positions, before=numpy.array(before), after=numpy.array(after)
    )


def read(*documents: TokenSums) -> TokenRates:
    rates = TokenRates()
    for one in documents:
        rates.take(document(one.positions))
        rates.take(one)
    return rates


def test_rates_are_per_thousand_positions_from_most_raised_to_most_lowered() -> None:
    found = read(sums(4, [1, 3, 0], [2, 1, 0]), sums(6, [0, 5, 0], [4, 1, 0])).tokens()
    rows: list[object] = [(one.token, one.before, one.after) for one in found]
    assert rows == [
        (0, pytest.approx(100), pytest.approx(600)),
        (1, pytest.approx(800), pytest.approx(200)),
    ]
    assert [one.difference for one in found] == [pytest.approx(500), pytest.approx(-600)]


def test_the_standard_error_is_that_of_a_ratio_over_documents() -> None:
    positions = numpy.array([40.0, 10.0, 25.0])
    differences = numpy.array([8.0, 1.0, 2.0])
    found = read(
        *(sums(int(n), [1.0], [1.0 + x]) for n, x in zip(positions, differences, strict=True))
    ).tokens()
    rate = differences.sum() / positions.sum()
    residuals = differences - rate * positions
    expected = math.sqrt(3 / 2 * (residuals**2).sum()) / positions.sum()
    assert found[0].error == pytest.approx(1000 * expected)


def test_the_standard_error_is_about_what_repeated_samples_spread() -> None:
    random = numpy.random.default_rng(0)
    differences, errors = [], []
    for _ in range(400):
        positions = random.integers(20, 60, size=30)
        x = 0.1 * positions + random.normal(0, 2, size=30)
        rates = read(*(sums(int(n), [0.0], [v]) for n, v in zip(positions, x, strict=True)))
        (one,) = rates.tokens()
        differences.append(one.difference)
        errors.append(one.error)
    assert numpy.mean(errors) == pytest.approx(numpy.std(differences), rel=0.1)


def test_one_document_has_no_standard_error_and_no_mark() -> None:
    (one,) = read(sums(4, [1.0], [2.0])).tokens()
    assert math.isnan(one.error)
    assert not one.marked


def test_marks_are_rarely_wrong_where_nothing_differs() -> None:
    """Any mark is wrong here, so the share of runs with one is the false-discovery rate."""
    random, wrong = numpy.random.default_rng(1), 0
    for _ in range(200):
        rates = TokenRates()
        for _ in range(12):
            noise = random.normal(0, 1, size=(2, 40)) + 5
            rates.take(document(30))
            rates.take(sums(30, [*noise[0]], [*noise[1]]))
        wrong += any(one.marked for one in rates.tokens())
    assert wrong / 200 <= token_rates.FALSE_DISCOVERIES


def test_what_clearly_differs_is_marked_and_the_rest_is_not() -> None:
    random, rates = numpy.random.default_rng(2), TokenRates()
    for _ in range(20):
        before = random.normal(5, 1, size=40)
        after = random.normal(5, 1, size=40)
        after[3] += 10
        rates.take(document(30))
        rates.take(sums(30, [*before], [*after]))
    assert [one.token for one in rates.tokens() if one.marked] == [3]


def test_tokens_that_are_never_said_are_not_tested() -> None:
    rates = read(*(sums(9, [0.01], [0.02 + n / 1e4]) for n in range(9)))
    (one,) = rates.tokens()
    assert one.error > 0
    assert not one.marked


def test_a_document_without_positions_does_not_count() -> None:
    rates = read(sums(0, [0.0], [0.0]), sums(2, [1.0], [1.5]))
    assert (rates.documents, rates.positions) == (1, 2)


def test_pairs_are_those_that_stand_in_the_texts() -> None:
    rates = TokenRates()
    rates.take(document(4))
    rates.take(block((1, 0.5, 0.5), (2, 0.1, 0.4), (1, 0.2, 0.1), (2, 0.3, 0.5)))
    rates.take(sums(4, [0.0] * SIZE, [0.0] * SIZE))
    found = rates.pairs()
    assert [(one.first, one.second, one.count) for one in found] == [(1, 2, 2), (2, 1, 1)]
    assert found[0].before == pytest.approx(1000 * (0.1 + 0.3) / 4)
    assert found[0].after == pytest.approx(1000 * (0.4 + 0.5) / 4)


def test_tokens_with_other_text_between_are_no_pair() -> None:
    rates = TokenRates()
    rates.take(document(2, gap_after=1))
    rates.take(block((1, 0.5, 0.5), (2, 0.1, 0.4)))
    rates.take(sums(2, [0.0] * SIZE, [0.0] * SIZE))
    assert rates.pairs() == []


def test_a_pair_goes_over_the_end_of_a_block_but_not_of_a_document() -> None:
    rates = TokenRates()
    for _ in range(2):
        rates.take(document(2))
        first, second = block((1, 0.5, 0.5), (2, 0.1, 0.4)).steps
        for one in (first, second):
            rates.take(ReadBlock(document="d", done=1, total=2, steps=(one,), further=()))
        rates.take(sums(2, [0.0] * SIZE, [0.0] * SIZE))
    assert [(one.first, one.second, one.count) for one in rates.pairs()] == [(1, 2, 2)]


def test_of_too_many_pairs_those_that_matter_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_rates, "MOST_PAIRS", 4)
    rates = TokenRates()
    rates.take(document(7))
    changes = [0.5, 0.01, 0.3, 0.02, 0.2, 0.015, 0.1]
    rates.take(block(*((n, 0.4, 0.4 + change) for n, change in enumerate(changes))))
    rates.take(sums(7, [0.0] * 8, [0.0] * 8))
    assert [(one.first, one.second) for one in rates.pairs()] == [(1, 2), (3, 4)]

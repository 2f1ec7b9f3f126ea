"""Marks by hand: a random sample of hits and others, and the error rates that follow from it."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from scipy import stats

from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.labels import (
    NAME,
    Judged,
    LabelFile,
    error_rates,
    sample_to_label,
)
from tests.core.experiments.sweep.made import prompt, reply


def judged(hits: int, others: int, refused: int = 0) -> list[Judged]:
    values = [1.0] * hits + [0.0] * others + [math.nan] * refused
    return [(prompt(), reply(f"reply {n}", n=n), Verdict(value)) for n, value in enumerate(values)]


def key(one: Judged) -> str:
    return one[1].id


# --- choosing -------------------------------------------------------------------


def test_half_of_the_sample_are_hits_where_there_are_enough() -> None:
    def hits(*given: int, count: int) -> tuple[int, int]:
        found = sample_to_label(judged(*given), count)
        return len(found), sum(one[2].value > 0 for one in found)

    assert hits(50, 500, count=20) == (20, 10)
    assert hits(3, 500, count=20) == (20, 3)
    assert hits(500, 3, count=20) == (20, 17)
    assert hits(3, 4, count=20) == (7, 3)
    assert hits(0, 500, count=5) == (5, 0)
    assert hits(50, 0, 9, count=5) == (5, 5)


def test_the_same_seed_chooses_the_same_in_any_order_and_another_seed_others() -> None:
    every = judged(50, 50)
    first = sample_to_label(every, 20, seed=1)
    assert sample_to_label(every[::-1], 20, seed=1) == first
    assert sample_to_label(every, 20, seed=2) != first


def test_the_order_tells_nothing() -> None:
    found = sample_to_label(judged(500, 500), 400)
    assert 70 < sum(one[2].value > 0 for one in found[:200]) < 130


# --- what is kept ---------------------------------------------------------------


def test_marks_are_kept_and_the_last_one_counts(tmp_path: Path) -> None:
    first, second = judged(2, 0)
    file = LabelFile(tmp_path)
    for one, label in ((first, True), (first, False), (second, True), (second, None)):
        file.add("b1", key(one), label)
    file.add("b2", key(first), True)
    file.close()
    again = LabelFile(tmp_path)
    assert again.of("b1") == {key(first): False}
    assert again.of("b2") == {key(first): True}
    assert again.of("b3") == {}
    again.close()


def test_a_damaged_line_costs_one_mark(tmp_path: Path) -> None:
    one = judged(1, 0)[0]
    file = LabelFile(tmp_path)
    file.add("b1", key(one), True)
    file.close()
    path = tmp_path / NAME
    path.write_text(path.read_text() + '{"type": "label", "behaviour": "b1", "ke')
    again = LabelFile(tmp_path)
    assert again.of("b1") == {key(one): True}
    assert again.damaged == 1
    again.add("b1", key(one), False)
    again.close()
    last = LabelFile(tmp_path)
    assert last.of("b1") == {key(one): False}
    last.close()


# --- error rates ----------------------------------------------------------------


def test_hits_and_others_weigh_as_much_as_there_are_of_them() -> None:
    """100 hits of which a quarter is wrong, 900 others of which a tenth is."""
    every = judged(100, 900)
    labels = {key(one): n >= 5 for n, one in enumerate(every[:20])}
    labels |= {key(one): n < 3 for n, one in enumerate(every[100:130])}
    found = error_rates(every, labels)
    assert (found.labelled_hits, found.wrong_hits) == (20, 5)
    assert (found.labelled_others, found.wrong_others) == (30, 3)
    assert found.false_positive.rate == pytest.approx(25 / (25 + 810))
    assert found.false_negative.rate == pytest.approx(90 / (90 + 75))

    def limits(wrong: int, marked: int) -> tuple[float, float]:
        """Clopper and Pearson's, by the beta distribution."""
        tail = 0.0125
        return (
            stats.beta.ppf(tail, wrong, marked - wrong + 1),
            stats.beta.ppf(1 - tail, wrong + 1, marked - wrong),
        )

    a, b = limits(5, 20), limits(3, 30)
    for n, limit in enumerate((found.false_positive.low, found.false_positive.high)):
        assert limit == pytest.approx(100 * a[n] / (100 * a[n] + 900 * (1 - b[n])))
    for n, limit in enumerate((found.false_negative.low, found.false_negative.high)):
        assert limit == pytest.approx(900 * b[n] / (900 * b[n] + 100 * (1 - a[n])))


def test_the_limits_hold_the_true_rates() -> None:
    """400 pools of a judge with 10 % false positives and 20 % false negatives."""
    chance = random.Random(0)
    held = [0, 0]
    for trial in range(400):
        every, truth = [], {}
        for n in range(300):
            has = chance.random() < 0.3
            hit = chance.random() < (0.8 if has else 0.1)
            one = (prompt(), reply(f"{trial} {n}", n=n), Verdict(float(hit)))
            every.append(one)
            truth[key(one)] = has
        marked = {key(one): truth[key(one)] for one in sample_to_label(every, 60, seed=trial)}
        found = error_rates(every, marked)
        lacks = [one for one in every if not truth[key(one)]]
        has_it = [one for one in every if truth[key(one)]]
        false_positives = sum(one[2].value for one in lacks) / len(lacks)
        false_negatives = sum(1 - one[2].value for one in has_it) / len(has_it)
        held[0] += found.false_positive.low <= false_positives <= found.false_positive.high
        held[1] += found.false_negative.low <= false_negatives <= found.false_negative.high
    assert min(held) >= 0.95 * 400


def test_without_marks_nothing_is_known() -> None:
    found = error_rates(judged(5, 5, 5), {})
    assert math.isnan(found.false_positive.rate)
    assert (found.false_positive.low, found.false_positive.high) == (0, 1)
    assert found.may_be_errors(0.9)


def test_a_judge_that_never_says_yes_has_no_false_positives() -> None:
    every = judged(0, 20)
    found = error_rates(every, {key(one): False for one in every})
    assert found.false_positive.rate == 0
    assert found.false_positive.high == 0


def test_a_rate_at_or_below_the_limit_of_false_positives_is_flagged() -> None:
    every = judged(20, 180)
    labels = {key(one): one[2].value > 0 for one in every}
    found = error_rates(every, labels)
    high = found.false_positive.high
    assert found.false_positive.rate == 0
    assert 0 < high < 0.05
    assert found.may_be_errors(high)
    assert found.may_be_errors(0)
    assert not found.may_be_errors(high * 1.01)


def test_labels_of_refused_replies_count_nothing() -> None:
    every = judged(1, 1, 1)
    found = error_rates(every, {key(one): True for one in every})
    assert found.labelled_hits + found.labelled_others == 2

"""The figures of a text are sums over its tokens, and add up over texts."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.records import LogProbs, Ranks, Step

LOGP = st.floats(-20, 0)


def step(before: float, after: float, kl: float = 0.5, amplified: float = -1.0) -> Step:
    return Step(
        reply="d-1",
        index=0,
        alpha=1.0,
        token=7,
        text="x",
        logp=LogProbs(before, after, amplified),
        rank=Ranks(1, 1, 1),
        kl=kl,
        kl_amplified=0.0,
        entropy=1.0,
    )


def stats(*pairs: tuple[float, float], threshold: float = 1.0) -> TextStats:
    found = TextStats(threshold, documents=1)
    found.add([step(before, after) for before, after in pairs], [()] * len(pairs))
    return found


@given(st.lists(st.tuples(LOGP, LOGP), min_size=1, max_size=20))
def test_every_figure_is_what_it_says(pairs: list[tuple[float, float]]) -> None:
    found, n = stats(*pairs), len(pairs)
    ratios = [after - before for before, after in pairs]
    assert found.tokens == n
    assert found.log_ratio == pytest.approx(sum(ratios), abs=1e-9)
    assert found.mean_ratio == pytest.approx(sum(ratios) / n, abs=1e-9)
    assert found.max_ratio == max(map(abs, ratios))
    assert found.raised == sum(ratio >= 1 for ratio in ratios)
    assert found.lowered == sum(ratio <= -1 for ratio in ratios)
    assert found.share == (found.raised + found.lowered) / n
    product = math.prod(math.exp(before) for before, _ in pairs)
    assert found.perplexity(found.logp_before) == pytest.approx(product ** (-1 / n), rel=1e-6)


def test_at_a_threshold_of_zero_a_token_that_did_not_move_was_neither_raised_nor_lowered() -> None:
    found = stats((-1, -1), (-1, -2), (-2, -1), threshold=0.0)
    assert (found.raised, found.lowered) == (1, 1)


def test_kl_is_a_mean_and_a_maximum() -> None:
    found = TextStats(1.0)
    found.add([step(-1, -1, kl=0.25), step(-1, -1, kl=0.75)], [(), ()])
    assert (found.mean_kl, found.max_kl) == (0.5, 0.75)


@given(st.lists(st.tuples(LOGP, LOGP), max_size=10), st.lists(st.tuples(LOGP, LOGP), max_size=10))
def test_two_texts_add_up_to_one(
    one: list[tuple[float, float]], other: list[tuple[float, float]]
) -> None:
    both, whole = stats(*one), stats(*one, *other)
    both.merge(stats(*other))
    assert both.documents == 2
    assert both.tokens == whole.tokens
    assert both.raised == whole.raised
    assert both.max_ratio == whole.max_ratio
    assert both.log_ratio == pytest.approx(whole.log_ratio, abs=1e-9)


def test_every_alpha_has_its_log_probability() -> None:
    found = TextStats(1.0, (2.0, 0.5))
    found.add([step(-1, -1, amplified=-2.0), step(-1, -1, amplified=-3.0)], [(-0.5,), (-0.25,)])
    assert found.logp_at == [-5.0, -0.75]
    figures = json.loads(json.dumps(found.figures()))
    assert [one["alpha"] for one in figures["at"]] == [2.0, 0.5]


def test_nothing_has_no_means() -> None:
    empty = TextStats(1.0)
    assert math.isnan(empty.mean_kl)
    assert math.isnan(empty.perplexity(0.0))
    assert empty.figures()["mean_kl"] is None


def test_what_one_side_rules_out_is_no_number_in_json() -> None:
    found = stats((-math.inf, -1.0))
    assert found.perplexity(found.logp_before) == math.inf
    assert found.log_ratio == math.inf
    text = json.dumps(found.figures(), allow_nan=False)
    assert json.loads(text)["logp"] == {"before": None, "after": -1.0}

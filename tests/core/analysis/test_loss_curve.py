"""The statistics of a loss curve: the standard error, and what rounding may do to convexity."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.analysis.loss_curve import (
    DocumentLoss,
    LossRow,
    LossSums,
    loss_rows,
    minimum,
    ratio,
)
from logit_amp_chat.core.decoding.amplification import amplify, log_probs
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.records import LogProbs, Ranks, Step

ALPHAS = (-30.0, -3.0, -1.5, -1.0, -0.75, -0.5, 0.0, 0.1, 0.5, 1.0, 1.01, 2.0, 3.0, 30.0, 300.0)


def step(index: int, before: float, after: float) -> Step:
    return Step(
        reply="d",
        index=index,
        alpha=-1.0,
        token=0,
        text="",
        logp=LogProbs(before, after, before),
        rank=Ranks(1, 1, 1),
        kl=0.0,
        kl_amplified=0.0,
        entropy=0.0,
    )


def curve(size: int, after_spread: float, moved: float, seed: int, rows: int = 4) -> LossSums:
    """Random distributions over `size` ids and a random token of each, amplified in fp32."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    after = log_probs(torch.randn(rows, size) * after_spread)
    before = log_probs(after + torch.randn(rows, size) * moved)
    token = torch.randint(size, (rows, 1))
    logps = [amplify(before, after, torch.tensor([[alpha]])).gather(-1, token) for alpha in ALPHAS]
    sums = LossSums(ALPHAS)
    chosen = torch.cat([before.gather(-1, token), after.gather(-1, token)], dim=-1).tolist()
    steps = [step(n, *both) for n, both in enumerate(chosen)]
    sums.add(steps, torch.cat(logps, dim=-1).tolist())
    return sums


@given(
    size=st.sampled_from([2, 64, 2048]),
    after_spread=st.sampled_from([0.0, 0.1, 3.0, 20.0]),
    moved=st.sampled_from([0.0, 1e-4, 0.1, 1.0, 10.0, 60.0]),
    seed=st.integers(0, 10_000),
)
def test_rounding_in_fp32_is_no_violation(
    size: int, after_spread: float, moved: float, seed: int
) -> None:
    curve(size, after_spread, moved, seed).check_convex()


@pytest.mark.parametrize("moved", [0.01, 1.0, 5.0])
def test_nor_is_it_in_a_large_vocabulary(moved: float) -> None:
    curve(256_000, 1.0, moved, seed=0, rows=2).check_convex()


@pytest.mark.parametrize("place", range(1, len(ALPHAS) - 2))
def test_a_hundredth_of_a_nat_a_token_is_one(place: int) -> None:
    sums = curve(2048, 3.0, 0.5, seed=1)
    means = sums.losses / sums.tokens
    low, here, high = ALPHAS[place - 1 : place + 2]
    w = (high - here) / (high - low)
    line = w * means[place - 1] + (1 - w) * means[place + 1]
    sums.losses[place] = (line + 0.01) * sums.tokens
    with pytest.raises(LogitAmpError, match="not convex"):
        sums.check_convex()


def test_what_is_allowed_grows_with_alpha_and_with_the_difference_of_the_sides() -> None:
    near, far = curve(512, 3.0, 0.1, seed=2), curve(512, 3.0, 10.0, seed=2)
    one, large = ALPHAS.index(1.0), ALPHAS.index(300.0)
    assert near.sizes[one] < near.sizes[large]
    assert near.sizes[large] < far.sizes[large]


def test_sums_of_two_texts_add_up() -> None:
    first, second = curve(64, 1.0, 1.0, seed=3), curve(64, 1.0, 1.0, seed=4)
    losses, sizes = first.losses + second.losses, first.sizes + second.sizes
    first.merge(second)
    assert first.tokens == 8
    assert np.array_equal(first.losses, losses)
    assert np.array_equal(first.sizes, sizes)


def test_what_is_no_number_is_named() -> None:
    sums = LossSums((0.0, 2.0))
    with pytest.raises(LogitAmpError, match=r"At α \+2 .* token 8 is no number"):
        sums.add([step(7, -1.0, -1.0)], [(-1.0, math.nan)])


# --- the standard error ---------------------------------------------------------


def test_of_documents_of_one_length_it_is_that_of_their_means() -> None:
    losses = [4.0, 7.0, 5.5, 9.0]
    mean, error = ratio(losses, [10] * 4)
    means = [loss / 10 for loss in losses]
    assert mean == pytest.approx(statistics.mean(means))
    assert error == pytest.approx(statistics.stdev(means) / math.sqrt(4))


def test_over_many_samples_it_is_how_far_the_mean_scatters() -> None:
    """Documents of 1 to 40 tokens whose tokens share what their document is like."""
    chance = random.Random(0)

    def sample() -> tuple[float, float]:
        counts = [chance.randint(1, 40) for _ in range(60)]
        losses = [m * chance.gauss(3, 1) + math.sqrt(m) * chance.gauss(0, 1) for m in counts]
        return ratio(losses, counts)

    samples = [sample() for _ in range(400)]
    scatter = statistics.stdev(mean for mean, _ in samples)
    assert statistics.mean(error for _, error in samples) == pytest.approx(scatter, rel=0.1)


@pytest.mark.parametrize(("losses", "counts"), [([3.0], [2]), ([math.inf, 1.0], [1, 1]), ([], [])])
def test_where_there_is_none_it_is_nan(losses: list[float], counts: list[int]) -> None:
    assert math.isnan(ratio(losses, counts)[1])


def test_the_difference_is_paired() -> None:
    """Documents that differ widely but move alike have a small error of the difference."""
    documents = [DocumentLoss("", str(n), 10, (10.0 * n, 10.0 * n + 5 + n)) for n in range(1, 5)]
    (row,) = loss_rows((0.0, 1.0), (1.0,), documents)
    assert row.difference == pytest.approx(0.75)
    assert row.difference_error == pytest.approx(statistics.stdev([0.1, 0.2, 0.3, 0.4]) / 2)
    assert row.error > 5 * row.difference_error


def test_the_least_row_is_the_least_finite_one() -> None:
    rows = [LossRow(alpha, loss, 0.0, 0.0, 0.0) for alpha, loss in ((0, math.inf), (1, 2), (2, 1))]
    assert minimum(rows) is rows[2]
    assert minimum(rows[:1]) is None
    assert minimum([]) is None
    assert rows[0].perplexity == math.inf
    assert rows[2].perplexity == pytest.approx(math.e)

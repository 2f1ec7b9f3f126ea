"""The candidates that τ removes: the decoder's own mask, read back from a step's record."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.analysis.plausibility_mask import masked
from logit_amp_chat.core.decoding.amplification import amplify
from logit_amp_chat.core.decoding.sampling import Filters, filtered
from logit_amp_chat.core.decoding.token_stats import measure, unpack
from logit_amp_chat.core.records import Candidate, LogProbs, Ranks, Step
from logit_amp_chat.core.sampling import Sampling

V, TOP = 60, 8


def step(alpha: float, *top: Candidate) -> Step:
    return Step(
        reply="r-1",
        index=0,
        alpha=alpha,
        token=top[0].id if top else 0,
        text="x",
        logp=LogProbs(-1.0, -1.0, -1.0),
        rank=Ranks(1, 1, 1),
        kl=0.0,
        kl_amplified=0.0,
        entropy=0.0,
        top=top,
    )


def candidates(*p_after: float) -> list[Candidate]:
    return [
        Candidate(id, "x", -1.0, math.log(p) if p else -math.inf, -1.0)
        for id, p in enumerate(p_after)
    ]


def log_p(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(1, V, generator=generator) * 3).log_softmax(-1)


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.01, 0.1, 0.5]), st.sampled_from([-1, 0, 2]))
def test_it_is_what_the_decoder_masked(seed: int, tau: float, alpha: float) -> None:
    """Filters one row of a random pair, and measures a step of it, as the decoder does."""
    before, after = log_p(seed), log_p(seed + 1)
    lane = torch.tensor([[float(alpha)]])
    amplified = amplify(before, after, lane)
    sampling = Sampling(plausibility=tau, temperature=1.0, top_p=1.0)
    scores = filtered(amplified, after, lane, Filters.of(sampling))
    stack = torch.stack([before, after, amplified])
    measured = unpack(measure(stack, scores.argmax(-1), TOP, tau or None)[0].tolist())
    top = [Candidate(id, "", *values) for id, values in measured.top.items()]
    bound = max(one.after for one in top) + (math.log(tau) if tau else -math.inf)
    removed = {one.id for one in top if scores[0, one.id].isneginf()}
    near = {one.id for one in top if abs(one.after - bound) < 1e-5}
    assert masked(step(alpha, *top), tau) - near == removed - near
    assert masked(step(alpha, *top), tau) <= removed


@pytest.mark.parametrize(
    ("tau", "expected"),
    [(0.01, {2, 3, 4}), (0.4, {1, 2, 3, 4}), (1e-5, {4}), (0, set())],
)
def test_below_tau_times_the_best_of_after(tau: float, expected: set[int]) -> None:
    p = (0.6, 0.2, 0.005, 1e-4, 0.0)
    assert {id for id, one in enumerate(p) if one < tau * 0.6} == expected
    assert masked(step(1.0, *candidates(*p)), tau) == expected


def test_a_candidate_at_the_bound_stays() -> None:
    assert masked(step(1.0, *candidates(0.5, 0.005)), 0.01) == frozenset()


@pytest.mark.parametrize("alpha", [-2.0, -1.0, 0.0])
def test_at_no_alpha_up_to_0_anything_is_masked(alpha: float) -> None:
    assert masked(step(alpha, *candidates(0.9, 1e-9)), 0.01) == frozenset()


def test_without_candidates_nothing_is_masked() -> None:
    assert masked(step(1.0), 0.01) == frozenset()

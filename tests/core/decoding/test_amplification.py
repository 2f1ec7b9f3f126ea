"""The identities of amplification, in fp64, on random log-probabilities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from logit_amp_chat.core.analysis.alpha_crossover import crossover
from logit_amp_chat.core.decoding.amplification import (
    NEVER,
    amplify,
    entropy,
    kl_divergence,
    log_probs,
    mix,
    plausible,
    rank,
    with_after_ends,
)

V = 97
# Eighths, so that −1 − α is exact.
alphas = st.integers(-40, 520).map(lambda n: torch.tensor([[n / 8]], dtype=torch.float64))
seeds = st.integers(0, 2**31)


def pair(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    before, after = (
        torch.randn(1, V, generator=generator, dtype=torch.float64) * 3 for _ in range(2)
    )
    return before.log_softmax(-1), after.log_softmax(-1)


def column(alpha: float) -> Tensor:
    return torch.tensor([[alpha]], dtype=torch.float64)


@given(seeds)
def test_alpha_minus_one_is_before_and_zero_is_after_to_the_last_bit(seed: int) -> None:
    before, after = pair(seed)
    assert torch.equal(mix(before, after, column(-1)), before)
    assert torch.equal(mix(before, after, column(0)), after)


@given(seeds, alphas)
def test_amplified_is_a_power_ratio(seed: int, alpha: Tensor) -> None:
    before, after = pair(seed)
    log_power = (1 + alpha) * after - alpha * before
    torch.testing.assert_close(
        amplify(before, after, alpha), log_power - torch.logsumexp(log_power, -1, keepdim=True)
    )


@given(seeds, alphas)
def test_swapping_the_sides_is_minus_one_minus_alpha(seed: int, alpha: Tensor) -> None:
    before, after = pair(seed)
    torch.testing.assert_close(amplify(before, after, alpha), amplify(after, before, -1 - alpha))


@given(seeds, st.floats(-3, 8), st.floats(-3, 8))
def test_amplifying_twice_composes(seed: int, alpha: float, beta: float) -> None:
    before, after = pair(seed)
    once = amplify(before, after, column(alpha))
    torch.testing.assert_close(
        amplify(before, once, column(beta)),
        amplify(before, after, column((1 + alpha) * (1 + beta) - 1)),
    )


@given(seeds, alphas, st.floats(-50, 50))
def test_a_constant_shift_of_either_logits_changes_nothing(
    seed: int, alpha: Tensor, shift: float
) -> None:
    before, after = pair(seed)
    torch.testing.assert_close(
        amplify(log_probs(before + shift), log_probs(after - shift), alpha),
        amplify(before, after, alpha),
    )


@given(seeds, st.floats(-3, 10))
def test_log_odds_are_linear_in_alpha_and_cross_where_crossover_says(
    seed: int, alpha: float
) -> None:
    before, after = pair(seed)
    i, j = 3, 8

    def log_odds(at: float) -> float:
        p = amplify(before, after, column(at))[0]
        return float(p[i] - p[j])

    slope = log_odds(1) - log_odds(0)
    assert log_odds(alpha) == pytest.approx(log_odds(0) + alpha * slope, abs=1e-9)
    cross = crossover(
        (float(before[0, i]), float(before[0, j])), (float(after[0, i]), float(after[0, j]))
    )
    assert cross is not None
    if abs(cross) < 1e4:
        assert log_odds(cross) == pytest.approx(0, abs=1e-7)


def test_tokens_with_parallel_log_odds_never_cross() -> None:
    assert crossover((-1.0, -2.0), (-3.0, -4.0)) is None


@given(seeds, st.floats(-0.9, 8))
def test_kl_from_before_to_amplified_follows_the_partition_function(
    seed: int, alpha: float
) -> None:
    """KL(p_b‖p_α) = (1+α) KL(p_b‖p_a) + log Z(α), Z = Σ p_a^{1+α} p_b^{−α}."""
    before, after = pair(seed)
    log_z = torch.logsumexp((1 + alpha) * after - alpha * before, dim=-1)
    torch.testing.assert_close(
        kl_divergence(before, amplify(before, after, column(alpha))),
        (1 + alpha) * kl_divergence(before, after) + log_z,
    )


@given(seeds)
def test_divergence_and_entropy_agree_with_torch(seed: int) -> None:
    p, q = pair(seed)
    torch.testing.assert_close(
        kl_divergence(p, q),
        torch.nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(-1),
    )
    torch.testing.assert_close(entropy(p), torch.special.entr(p.exp()).sum(-1))


class TestRuledOut:
    """Tokens to which one side or both give no probability."""

    BOTH, BEFORE, AFTER = 0, 1, 2

    def pair(self, seed: int) -> tuple[Tensor, Tensor]:
        before, after = pair(seed)
        before[0, [self.BOTH, self.BEFORE]] = NEVER
        after[0, [self.BOTH, self.AFTER]] = NEVER
        return before.log_softmax(-1), after.log_softmax(-1)

    @given(seeds, alphas)
    def test_nothing_is_ever_nan_or_plus_infinity(self, seed: int, alpha: Tensor) -> None:
        mixed = mix(*self.pair(seed), alpha)
        assert not mixed.isnan().any()
        assert not mixed.isposinf().any()
        assert mixed[0, self.BOTH] == NEVER

    @given(seeds, st.floats(0, 64))
    def test_what_only_before_rules_out_gets_the_largest_finite_boost(
        self, seed: int, alpha: float
    ) -> None:
        before, after = self.pair(seed)
        mixed = mix(before, after, column(alpha))
        finite = ~(before.isneginf() | after.isneginf())
        gain = max(0.0, float((after - before)[finite].max()))
        assert float(mixed[0, self.BEFORE]) == pytest.approx(
            float(after[0, self.BEFORE]) + alpha * gain
        )

    @given(seeds)
    def test_the_two_ends_stay_exact(self, seed: int) -> None:
        before, after = self.pair(seed)
        assert torch.equal(mix(before, after, column(-1)), before)
        assert torch.equal(mix(before, after, column(0)), after)

    @given(seeds, alphas)
    def test_swapping_the_sides_still_mirrors(self, seed: int, alpha: Tensor) -> None:
        before, after = self.pair(seed)
        torch.testing.assert_close(
            amplify(before, after, alpha), amplify(after, before, -1 - alpha)
        )

    def test_divergence_is_infinite_only_where_it_is(self) -> None:
        before, after = self.pair(0)
        assert kl_divergence(after, before).item() == math.inf
        assert kl_divergence(after, after).item() == 0
        assert math.isfinite(entropy(after).item())


def test_ids_that_may_not_be_sampled_have_no_probability() -> None:
    valid = torch.ones(V, dtype=torch.bool)
    valid[5:9] = False
    p = log_probs(torch.randn(2, V), valid)
    assert p[:, ~valid].isneginf().all()
    torch.testing.assert_close(p.exp().sum(-1), torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_widened(dtype: torch.dtype) -> None:
    logits = torch.randn(1, V).to(dtype)
    assert torch.equal(log_probs(logits), logits.float().log_softmax(-1))


@settings(max_examples=50)
@given(seeds, st.floats(0.001, 0.999))
def test_plausibility_keeps_what_after_finds_plausible(seed: int, threshold: float) -> None:
    _, after = pair(seed)
    p = after.exp()
    keep = plausible(after, threshold)
    assert keep[0, after.argmax()]
    assert torch.equal(keep, p >= threshold * p.max()) or bool(
        (p / p.max() - threshold).abs().min() < 1e-12
    )


def test_rank_counts_what_is_strictly_better() -> None:
    p = torch.tensor([[0.1, 0.4, 0.4, 0.1]]).log()
    assert [rank(p, torch.tensor([t])).item() for t in range(4)] == [3, 1, 1, 3]


@given(seeds, alphas, st.sets(st.integers(0, V - 1), max_size=5))
def test_ends_keep_after_s_probability_and_the_others_share_the_rest_as_mixed(
    seed: int, alpha: Tensor, ends: set[int]
) -> None:
    """Token by token with Python's floats, from probabilities."""
    before, after = pair(seed)
    mask = torch.tensor([i in ends for i in range(V)])
    found = with_after_ends(mix(before, after, alpha), after, mask)[0].tolist()
    b, a, x = before[0].tolist(), after[0].tolist(), float(alpha)
    others = [i for i in range(V) if i not in ends]
    most = max((1 + x) * a[i] - x * b[i] for i in others)
    weights = {i: math.exp((1 + x) * a[i] - x * b[i] - most) for i in others}
    left, total = 1 - math.fsum(math.exp(a[i]) for i in ends), math.fsum(weights.values())
    for i in range(V):
        expected = math.exp(a[i]) if i in ends else left * weights[i] / total
        assert math.exp(found[i]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(seeds, st.sets(st.integers(0, V - 1), max_size=5))
def test_with_after_s_ends_alpha_zero_is_still_after_to_the_last_bit(
    seed: int, ends: set[int]
) -> None:
    before, after = pair(seed)
    mask = torch.tensor([i in ends for i in range(V)])
    assert torch.equal(with_after_ends(mix(before, after, column(0)), after, mask), after)


def test_ends_that_one_side_rules_out_keep_after_s_probability() -> None:
    ruled_out = torch.tensor([[NEVER, 0.0, 0.0]], dtype=torch.float64).log_softmax(-1)
    before, after = ruled_out, torch.zeros(1, 3, dtype=torch.float64).log_softmax(-1)
    ends = torch.tensor([True, False, False])
    for alpha in (-1.0, 0.5, 4.0):
        found = with_after_ends(mix(before, after, column(alpha)), after, ends)
        torch.testing.assert_close(found, after)
        assert with_after_ends(mix(after, before, column(alpha)), before, ends)[0, 0] == NEVER

"""Filters against transformers' own; noise against the Gumbel distribution."""

from __future__ import annotations

import hashlib
import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from logit_amp_chat.core.decoding import sampling as module
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.sampling import Filters, filtered, pick
from logit_amp_chat.core.sampling import Sampling

V = 300
OFF = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "plausibility": 0.0, "temperature": 1.0}


def options(**changed: object) -> Sampling:
    return Sampling.model_validate(OFF | changed)


def log_p(seed: int, rows: int = 2, size: int = V) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(rows, size, generator=generator) * 2).log_softmax(-1)


def by_transformers(scores: Tensor, s: Sampling) -> Tensor:
    warpers = LogitsProcessorList([TemperatureLogitsWarper(s.temperature)])
    if s.top_k:
        warpers.append(TopKLogitsWarper(s.top_k))
    if s.top_p < 1:
        warpers.append(TopPLogitsWarper(s.top_p))
    if s.min_p:
        warpers.append(MinPLogitsWarper(s.min_p))
    result: Tensor = warpers(torch.zeros(1, 1, dtype=torch.long), scores)
    return result


@settings(max_examples=200)
@given(
    st.integers(0, 2**31),
    st.floats(0.1, 3),
    st.integers(0, 50),
    st.floats(0.05, 1),
    st.floats(0, 0.5),
    st.sampled_from([8, 256, 1000]),
)
@example(0, 1.0, 0, 0.9999999999999999, 0.0, 256)
@example(0, 0.1, 0, 0.9999999999999999, 0.0, 8)
def test_filters_are_those_of_transformers(
    seed: int, temperature: float, k: int, p: float, m: float, guess: int
) -> None:
    chosen = options(temperature=temperature, top_k=k, top_p=p, min_p=m)
    scores = log_p(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NUCLEUS_GUESS", guess)
        ours = filtered(scores, scores, torch.zeros(2, 1), Filters.of(chosen))
    torch.testing.assert_close(ours, by_transformers(scores, chosen))


def test_temperature_zero_is_the_argmax() -> None:
    scores = log_p(0)
    kept = filtered(
        scores, scores, torch.zeros(2, 1), Filters.of(options(temperature=0.0, top_k=3))
    )
    assert torch.equal(pick(kept, None), scores.argmax(-1))


def test_the_plausibility_mask_leaves_before_and_after_lanes_alone() -> None:
    scores, after = log_p(1, rows=4), log_p(2, rows=4)
    alpha = torch.tensor([[-1.0], [0.0], [0.5], [4.0]])
    masked = filtered(scores, after, alpha, Filters.of(options(plausibility=0.1))).isneginf()
    implausible = after.exp() < 0.1 * after.exp().amax(-1, keepdim=True)
    assert not masked[:2].any()
    assert torch.equal(masked[2:], implausible[2:])


def test_the_mask_never_removes_the_argmax_of_after() -> None:
    after = log_p(3)
    kept = filtered(-after, after, torch.ones(2, 1), Filters.of(options(plausibility=0.999999)))
    assert torch.isfinite(kept.gather(-1, after.argmax(-1, keepdim=True))).all()


class TestNoise:
    def test_it_depends_on_seed_turn_and_step_and_on_nothing_else(self) -> None:
        base = Noise([(7, 1)], V).at(3)
        assert torch.equal(base, Noise([(7, 1)], V).at(3))
        assert torch.equal(base, Noise([(7, 1)], V * 2).at(3)[:, :V])
        for other in (Noise([(8, 1)], V).at(3), Noise([(7, 2)], V).at(3), Noise([(7, 1)], V).at(4)):
            assert not torch.equal(base, other)

    def test_it_is_standard_gumbel(self) -> None:
        sample = torch.cat([Noise([(0, 0)], 4096).at(step)[0] for step in range(64)]).double()
        n = sample.numel()
        sigma = math.pi / math.sqrt(6)
        assert sample.mean().item() == pytest.approx(0.5772157, abs=5 * sigma / math.sqrt(n))
        assert sample.std().item() == pytest.approx(sigma, rel=0.01)
        # Kolmogorov–Smirnov against exp(−exp(−x)).
        ordered = sample.sort().values
        cdf = (-(-ordered).exp()).exp()
        distance = (cdf - torch.arange(1, n + 1, dtype=torch.float64) / n).abs().max()
        assert distance.item() < 1.95 / math.sqrt(n)

    def test_neighbours_in_id_and_step_are_uncorrelated(self) -> None:
        grid = torch.stack([Noise([(0, 0)], 4096).at(step)[0] for step in range(64)])
        for a, b in ((grid[:, :-1], grid[:, 1:]), (grid[:-1], grid[1:])):
            r = torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1]
            assert abs(r.item()) < 5 / math.sqrt(a.numel())

    @pytest.mark.parametrize("seed", [0, 1, 2**62])
    def test_each_lane_is_an_exact_sample(self, seed: int) -> None:
        """χ² of Gumbel-max draws against the probabilities they are drawn from."""
        p = log_p(5, rows=1, size=40)
        draws = 20_000
        noises = (Noise([(seed, turn)], 40) for turn in range(draws // 200))
        picks = torch.stack([pick(p, noise.at(step)) for noise in noises for step in range(200)])
        counts = torch.bincount(picks.flatten(), minlength=40).double()
        expected = p[0].exp().double() * draws
        large = expected >= 5
        chi2 = ((counts - expected)[large] ** 2 / expected[large]).sum().item()
        freedom = int(large.sum()) - 1
        assert chi2 < freedom + 5 * math.sqrt(2 * freedom)

    def test_a_token_of_one_in_a_million_is_drawn_that_often(self) -> None:
        """The tail of the noise is fine enough for rare behaviour."""
        rare = 1e-6
        noise = torch.cat([Noise([(3, 0)], 100_000).at(step)[0] for step in range(100)])
        # P(log rare + G > 0) = 1 − exp(−rare) ≈ rare, over ten million draws.
        wins = int((noise + math.log(rare) > 0).sum())
        assert wins == pytest.approx(noise.numel() * rare, abs=5 * math.sqrt(10))

    def test_its_values_are_the_same_in_every_version(self) -> None:
        """Transcripts are replayed with them: integers of Python, and its own logarithms."""

        def mixed(x: int) -> int:
            x ^= x >> 16
            x = x * 0x7FEB352D % 2**32
            x ^= x >> 15
            x = x * 0x846CA68B % 2**32
            return x ^ x >> 16

        for seed, turn, step in ((0, 0, 0), (7, 1, 3), (2**62, 5, 1000)):
            key = hashlib.blake2b(f"{seed} {turn}".encode(), digest_size=12).digest()
            first, second, third = (int.from_bytes(key[n : n + 4], "little") for n in (0, 4, 8))
            salt = mixed(mixed(step ^ second) ^ third)
            bits = [mixed(mixed(mixed(i ^ first) ^ salt) ^ third) for i in range(500)]
            gumbel = [-math.log(-math.log1p(-(b + 0.5) / 2**32)) for b in bits]
            assert Noise([(seed, turn)], 500).at(step)[0].tolist() == pytest.approx(
                gumbel, rel=2e-7
            )

    def test_every_row_may_be_at_a_step_of_its_own(self) -> None:
        noise = Noise([(7, 1), (8, 0), (9, 2)], V)
        found = noise.at(torch.tensor([3, 0, 41]))
        alone = [Noise([key], V).at(n)[0] for key, n in (((7, 1), 3), ((8, 0), 0), ((9, 2), 41))]
        assert torch.equal(found, torch.stack(alone))
        assert torch.equal(noise.part(slice(1, 3)).at(torch.tensor([0, 41])), found[1:])

    def test_rows_can_be_given_other_noise(self) -> None:
        noise = Noise([(7, 1), (8, 0), (9, 2)], V)
        noise.replace([0, 2], [(1, 0), (2, 0)])
        assert torch.equal(noise.at(5), Noise([(1, 0), (8, 0), (2, 0)], V).at(5))

    @given(
        st.integers(0, 2**40), st.sampled_from([2, 40, 3000]), st.sampled_from([0.0, 0.3, 3, 50])
    )
    def test_the_pick_is_that_of_all_noise(self, seed: int, size: int, spread: float) -> None:
        """Of sharp rows, flat ones, tied ones and masked ones."""
        generator = torch.Generator().manual_seed(seed % 2**31)
        scores = torch.randn(24, size, generator=generator) * spread
        scores[:8] = scores[:8].round()
        masked = torch.rand(8, size, generator=generator) < 0.7
        masked[:, 0] = False
        scores[8:16] = scores[8:16].masked_fill(masked, -math.inf)
        noise, steps = Noise([(seed, n) for n in range(24)], size), torch.arange(24) * 3
        assert torch.equal(noise.pick(scores, steps), pick(scores, noise.at(steps)))


def test_equal_scores_pick_equal_tokens_whatever_the_rows() -> None:
    p = log_p(9, rows=1).expand(5, -1)
    assert len(set(pick(p, Noise([(0, 0)], V).at(0)).tolist())) == 1

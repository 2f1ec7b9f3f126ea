"""From a lane's scores to its next token: filters and coupled Gumbel noise.

Filters come in the order and with the meaning of transformers' logits
processors: temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from core.amplification import NEVER, plausible
from core.records import Sampling

MASK32 = 0xFFFFFFFF


# Beyond these a temperature changes nothing more, and fp32 would end in infinities.
COLDEST, HOTTEST = 1e-6, 1e6


def filtered(amplified: Tensor, after: Tensor, alpha: Tensor, sampling: Sampling) -> Tensor:
    """Scores (R, V) to pick from: −inf where a filter removed the token.

    `amplified` and `after` are log-probabilities (R, V), `alpha` is (R, 1).
    The plausibility mask applies to lanes with α > 0 only, so that the before
    and after lanes are exactly before and after. At temperature 0 the filters
    that keep the argmax are left out.
    """
    scores = amplified
    if sampling.plausibility > 0:
        keep = plausible(after, sampling.plausibility) | (alpha <= 0)
        scores = scores.masked_fill(~keep, NEVER)
    if sampling.temperature == 0:
        return scores
    scores = scores / min(max(sampling.temperature, COLDEST), HOTTEST)
    if 0 < sampling.top_k < scores.shape[-1]:
        scores = top_k(scores, sampling.top_k)
    if sampling.top_p < 1:
        scores = top_p(scores, sampling.top_p)
    if sampling.min_p > 0:
        scores = min_p(scores, sampling.min_p)
    return scores


def top_k(scores: Tensor, k: int) -> Tensor:
    """Keep the k best of each row (R, V), and what ties with the last of them."""
    return scores.masked_fill(scores < scores.topk(k).values[..., -1:], NEVER)


# Nuclei are small: this many of the best ids nearly always hold one.
NUCLEUS_GUESS = 256


def top_p(scores: Tensor, p: float) -> Tensor:
    """Keep the smallest set of each row (R, V) whose probabilities reach p."""
    probabilities = scores.softmax(dim=-1)
    best, ids = probabilities.topk(min(NUCLEUS_GUESS, scores.shape[-1]))
    reached = best.cumsum(dim=-1)
    if bool((reached[..., -1] > p).all()):
        inside = reached - best < p
    else:
        # Summed from the smallest up, as the tail that p leaves out is small.
        best, ids = probabilities.sort(dim=-1)
        inside = best.cumsum(dim=-1) > 1 - p
        inside[..., -1] = True
    kept = scores.gather(-1, ids).masked_fill(~inside, NEVER)
    return torch.full_like(scores, NEVER).scatter(-1, ids, kept)


def min_p(scores: Tensor, p: float) -> Tensor:
    """Keep ids of (R, V) with at least p times the probability of the row's best."""
    return scores.masked_fill(scores < scores.amax(dim=-1, keepdim=True) + math.log(p), NEVER)


# Ids times steps that are computed in one go.
NOISE_BLOCK = 1 << 15


def _mix32(x: Tensor) -> Tensor:
    """A bijective 32-bit finalizer (lowbias32, C. Wellons) on int64 values below 2³²."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & MASK32
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & MASK32
    return x ^ (x >> 16)


class Noise:
    """Gumbel noise as a stateless function of (seed, turn, step, token id).

    Every lane, every α and every device sees the same noise, so where two
    lanes differ, α did it; each lane on its own is an exact sample
    (Gumbel-max). Integer hashes are the same everywhere; the two logarithms
    are fp64, so that devices agree far below fp32 resolution.
    """

    def __init__(self, seed: int, turn: int, size: int, device: torch.device | str = "cpu") -> None:
        key = hashlib.blake2b(f"{seed} {turn}".encode(), digest_size=12).digest()
        first, second, third = (int.from_bytes(key[i : i + 4], "little") for i in (0, 4, 8))
        ids = torch.arange(size, dtype=torch.int64, device=device)
        self._hashed_ids = _mix32(ids ^ first)
        self._keys = second, third
        # Small vocabularies are dominated by the cost of a call: several steps at once.
        self._span = max(1, NOISE_BLOCK // size)
        self._begin = -1
        self._block = torch.empty(0)

    def at(self, step: int) -> Tensor:
        """(V,) standard Gumbel noise, fp32, for the token at index `step`."""
        begin = step - step % self._span
        if begin != self._begin:
            self._begin, self._block = begin, self._steps(begin)
        return self._block[step - begin]

    def _steps(self, begin: int) -> Tensor:
        """(span, V) noise of the steps from `begin` on."""
        steps = torch.arange(begin, begin + self._span, device=self._hashed_ids.device)
        second, third = self._keys
        salts = _mix32(_mix32(steps ^ second) ^ third).unsqueeze(-1)
        bits = _mix32(_mix32(self._hashed_ids ^ salts) ^ third)
        # −log(1 − u) keeps full relative precision near 0, where the winners are.
        exponential = -torch.log1p(-(bits.double() + 0.5) * 2.0**-32)
        return -exponential.log().float()


def pick(scores: Tensor, noise: Tensor | None) -> Tensor:
    """The next token (R,) of scores (R, V): argmax(score + noise), plain argmax without noise."""
    return (scores if noise is None else scores + noise).argmax(dim=-1)

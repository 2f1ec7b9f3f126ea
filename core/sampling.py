"""From a lane's scores to its next token: filters and coupled Gumbel noise.

Filters come in the order and with the meaning of transformers' logits
processors: temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.amplification import NEVER, Number, log, plausible
from logit_amp_chat.core.records import Sampling

MASK32 = 0xFFFFFFFF


# Beyond these a temperature changes nothing more, and fp32 would end in infinities.
COLDEST, HOTTEST = 1e-6, 1e6


@dataclass(frozen=True)
class Filters:
    """A Sampling as the filters read it: None where one is off, or where a token is not drawn.

    On a device the numbers are tensors of one element, so that a recorded step may read
    them anew: fp64, which has exactly the values that Python's numbers have.
    """

    temperature: Number | None
    top_k: Number | None
    top_p: Number | None
    min_p: Number | None
    plausibility: Number | None

    @classmethod
    def of(cls, sampling: Sampling) -> Filters:
        """At temperature 0 the filters that keep the argmax are left out."""
        drawn = sampling.temperature > 0
        return cls(
            temperature=min(max(sampling.temperature, COLDEST), HOTTEST) if drawn else None,
            top_k=sampling.top_k if drawn and sampling.top_k > 0 else None,
            top_p=sampling.top_p if drawn and sampling.top_p < 1 else None,
            min_p=sampling.min_p if drawn and sampling.min_p > 0 else None,
            plausibility=sampling.plausibility if sampling.plausibility > 0 else None,
        )

    @property
    def on(self) -> tuple[bool, ...]:
        """Which filters there are, in the order of the fields."""
        return tuple(value is not None for value in self._values())

    def to(self, device: torch.device) -> Filters:
        """The same numbers as tensors on `device`."""
        kinds = (torch.float64, torch.int64, torch.float64, torch.float64, torch.float64)
        return Filters(
            *(
                None if value is None else torch.tensor(value, dtype=kind, device=device)
                for value, kind in zip(self._values(), kinds, strict=True)
            )
        )

    def take(self, other: Filters) -> None:
        """Write the numbers of `other`, which has the same filters, into these tensors."""
        for mine, theirs in zip(self._values(), other._values(), strict=True):
            if isinstance(mine, Tensor) and theirs is not None:
                mine.fill_(theirs)

    def _values(self) -> tuple[Number | None, ...]:
        return (self.temperature, self.top_k, self.top_p, self.min_p, self.plausibility)


def filtered(amplified: Tensor, after: Tensor, alpha: Tensor, filters: Filters) -> Tensor:
    """Scores (R, V) to pick from: −inf where a filter removed the token.

    `amplified` and `after` are log-probabilities (R, V), `alpha` is (R, 1).
    The plausibility mask applies to lanes with α > 0 only, so that the before
    and after lanes are exactly before and after.
    """
    scores = amplified
    if filters.plausibility is not None:
        keep = plausible(after, filters.plausibility) | (alpha <= 0)
        scores = scores.masked_fill(~keep, NEVER)
    if filters.temperature is not None:
        scores = scores / filters.temperature
    if filters.top_k is not None:
        scores = top_k(scores, filters.top_k)
    if filters.top_p is not None:
        scores = top_p(scores, filters.top_p)
    if filters.min_p is not None:
        scores = min_p(scores, filters.min_p)
    return scores


def top_k(scores: Tensor, k: Number) -> Tensor:
    """Keep the k best of each row (R, V), and what ties with the last of them."""
    size = scores.shape[-1]
    if isinstance(k, Tensor):
        ranked = scores.sort(dim=-1, descending=True).values
        least = ranked.index_select(-1, k.clamp_max(size).reshape(1) - 1)
    else:
        least = scores.topk(min(int(k), size)).values[..., -1:]
    return scores.masked_fill(scores < least, NEVER)


# Nuclei are small: this many of the best ids nearly always hold one.
NUCLEUS_GUESS = 256


def top_p(scores: Tensor, p: Number) -> Tensor:
    """Keep the smallest set of each row (R, V) whose probabilities reach p.

    Sums are fp64: in fp32 they end in digits that differ from one run on a GPU to the next.
    """
    probabilities = scores.softmax(dim=-1)
    if not isinstance(p, Tensor):  # who has recorded the step cannot be asked
        best, ids = probabilities.topk(min(NUCLEUS_GUESS, scores.shape[-1]))
        reached = best.cumsum(dim=-1, dtype=torch.float64)
        if bool((reached[..., -1] > p).all()):
            return _only(scores, ids, reached - best < p)
    # Summed from the smallest up, as the tail that p leaves out is small.
    best, ids = probabilities.sort(dim=-1)
    inside = best.cumsum(dim=-1, dtype=torch.float64) > 1 - p
    inside[..., -1] = True
    return _only(scores, ids, inside)


def _only(scores: Tensor, ids: Tensor, inside: Tensor) -> Tensor:
    """Scores (R, V) of those of `ids` (R, n) that are `inside` (R, n)."""
    kept = scores.gather(-1, ids).masked_fill(~inside, NEVER)
    return torch.full_like(scores, NEVER).scatter(-1, ids, kept)


def min_p(scores: Tensor, p: Number) -> Tensor:
    """Keep ids of (R, V) with at least p times the probability of the row's best."""
    return scores.masked_fill(scores < scores.amax(dim=-1, keepdim=True) + log(p), NEVER)


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
        self._keys = torch.tensor([second, third], device=device)
        # Small vocabularies are dominated by the cost of a call: several steps at once.
        self._span = max(1, NOISE_BLOCK // size)
        self._begin = -1
        self._block = torch.empty(0)

    def take(self, other: Noise) -> None:
        """Become the noise of another reply, in the same tensors."""
        self._hashed_ids.copy_(other._hashed_ids)
        self._keys.copy_(other._keys)
        self._begin = -1

    def at(self, step: int | Tensor) -> Tensor:
        """(V,) standard Gumbel noise, fp32, for the token at index `step`."""
        if isinstance(step, Tensor):
            return self._of(step.reshape(1))[0]
        begin = step - step % self._span
        if begin != self._begin:
            self._begin, self._block = begin, self._steps(begin)
        return self._block[step - begin]

    def _steps(self, begin: int) -> Tensor:
        """(span, V) noise of the steps from `begin` on."""
        return self._of(torch.arange(begin, begin + self._span, device=self._hashed_ids.device))

    def _of(self, steps: Tensor) -> Tensor:
        """(n, V) noise of `steps` (n,)."""
        second, third = self._keys.unbind()
        salts = _mix32(_mix32(steps ^ second) ^ third).unsqueeze(-1)
        bits = _mix32(_mix32(self._hashed_ids ^ salts) ^ third)
        # −log(1 − u) keeps full relative precision near 0, where the winners are.
        exponential = -torch.log1p(-(bits.double() + 0.5) * 2.0**-32)
        return -exponential.log().float()


def pick(scores: Tensor, noise: Tensor | None) -> Tensor:
    """The next token (R,) of scores (R, V): argmax(score + noise), plain argmax without noise."""
    return (scores if noise is None else scores + noise).argmax(dim=-1)

"""From a lane's scores to its next token: filters and coupled Gumbel noise.

Filters have the order and meaning of transformers' logits processors:
penalties of repetition, temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import NEVER, Number, least_plausible, log
from logit_amp_chat.core.decoding.repetition import Penalties, Repeated, penalized
from logit_amp_chat.core.sampling import Sampling

# Beyond these a temperature makes no further difference, and fp32 would overflow.
COLDEST, HOTTEST = 1e-6, 1e6


@dataclass(frozen=True)
class Filters:
    """The filters of a Sampling; None where one is off or, at temperature 0, has no effect.

    On a device the numbers are one-element tensors, so that a captured step reads
    their current values; fp64 holds exactly the values of Python's floats.
    """

    temperature: Number | None
    top_k: Number | None
    top_p: Number | None
    min_p: Number | None
    plausibility: Number | None
    after_ends: bool = field(default=False, kw_only=True)
    """Whether end-of-turn tokens keep after's probability; part of the mix, before any filter."""
    penalties: Penalties | None = field(default=None, kw_only=True)
    """They need what stands before a token, and are never part of a captured step."""

    @classmethod
    def of(cls, sampling: Sampling) -> Filters:
        """At temperature 0, filters that keep the argmax are left out."""
        drawn = sampling.temperature > 0
        return cls(
            temperature=min(max(sampling.temperature, COLDEST), HOTTEST) if drawn else None,
            top_k=sampling.top_k if drawn and sampling.top_k > 0 else None,
            top_p=sampling.top_p if drawn and sampling.top_p < 1 else None,
            min_p=sampling.min_p if drawn and sampling.min_p > 0 else None,
            plausibility=sampling.plausibility if sampling.plausibility > 0 else None,
            after_ends=sampling.ends == "after",
            penalties=Penalties.of(sampling),
        )

    @property
    def on(self) -> tuple[bool, ...]:
        """Which filters are on, in the order of the fields."""
        return (*(value is not None for value in self._values()), self.after_ends)

    def to(self, device: torch.device) -> Filters:
        """The same numbers as tensors on `device`."""
        kinds = (torch.float64, torch.int64, torch.float64, torch.float64, torch.float64)
        return Filters(
            *(
                None if value is None else torch.tensor(value, dtype=kind, device=device)
                for value, kind in zip(self._values(), kinds, strict=True)
            ),
            after_ends=self.after_ends,
        )

    def take(self, other: Filters) -> None:
        """Copy the numbers of `other`, which has the same filters on, into these tensors."""
        for mine, theirs in zip(self._values(), other._values(), strict=True):
            if isinstance(mine, Tensor) and theirs is not None:
                mine.fill_(theirs)

    def _values(self) -> tuple[Number | None, ...]:
        return (self.temperature, self.top_k, self.top_p, self.min_p, self.plausibility)


def filtered(
    amplified: Tensor,
    after: Tensor,
    alpha: Tensor,
    filters: Filters,
    repeated: Repeated | None = None,
) -> Tensor:
    """Scores (R, V) to pick from: −inf where a filter removed the token.

    `amplified` and `after` are log-probabilities (R, V), `alpha` is (R, 1);
    `repeated` is needed where a penalty is on. The plausibility mask applies to
    lanes with α > 0 only, so that the before and after lanes are exactly before
    and after.
    """
    scores = amplified
    masks = filters.plausibility is not None
    if masks and alpha.is_cpu:  # where asking costs nothing
        masks = bool((alpha > 0).any())
    if filters.plausibility is not None and masks:
        least = torch.where(alpha > 0, least_plausible(after, filters.plausibility), NEVER)
        scores = torch.where(after >= least, scores, NEVER)
    if filters.penalties is not None and repeated is not None:
        scores = penalized(scores, alpha, filters.penalties, repeated)
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
    """Keep the k best of each row (R, V), and ties with the last of them."""
    size = scores.shape[-1]
    if isinstance(k, Tensor):
        ranked = scores.sort(dim=-1, descending=True).values
        least = ranked.index_select(-1, k.clamp_max(size).reshape(1) - 1)
    else:
        least = scores.topk(min(int(k), size)).values[..., -1:]
    return scores.masked_fill(scores < least, NEVER)


# Nuclei are small: this many of the best ids nearly always contain one.
NUCLEUS_GUESS = 256
# Closer to 1, the rounding of fp32 probabilities decides whether their sum has reached p.
GUESS_UP_TO = 1 - 1e-5


def top_p(scores: Tensor, p: Number) -> Tensor:
    """Keep the smallest set of each row (R, V) whose probabilities reach p.

    Sums are fp64: in fp32 their last digits differ between runs on a GPU.
    """
    probabilities = scores.softmax(dim=-1)
    # A captured step cannot branch on values.
    if not isinstance(p, Tensor) and p < GUESS_UP_TO:
        best, ids = probabilities.topk(min(NUCLEUS_GUESS, scores.shape[-1]))
        reached = best.cumsum(dim=-1, dtype=torch.float64)
        if bool((reached[..., -1] > p).all()):
            return _only(scores, ids, reached - best < p)
    # Sum from the smallest up, for precision: the tail that p leaves out is small.
    best, ids = probabilities.sort(dim=-1)
    inside = best.cumsum(dim=-1, dtype=torch.float64) > 1 - p
    inside[..., -1] = True
    return _only(scores, ids, inside)


def _only(scores: Tensor, ids: Tensor, inside: Tensor) -> Tensor:
    """Scores (R, V), with −inf for all but the `ids` (R, n) that are `inside` (R, n)."""
    kept = scores.gather(-1, ids).masked_fill(~inside, NEVER)
    return torch.full_like(scores, NEVER).scatter(-1, ids, kept)


def min_p(scores: Tensor, p: Number) -> Tensor:
    """Keep ids of (R, V) with at least p times the probability of the row's best."""
    return scores.masked_fill(scores < scores.amax(dim=-1, keepdim=True) + log(p), NEVER)


def pick(scores: Tensor, noise: Tensor | None) -> Tensor:
    """The next token (R,) of scores (R, V): argmax(score + noise), plain argmax without noise."""
    return (scores if noise is None else scores + noise).argmax(dim=-1)

"""Toy pairs whose replies can all be written down: another implementation of what is sampled.

Four ids, replies of at most four tokens, and tables of logits in place of models. Id 0 ends a
reply. Nothing here is shared with the code under test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

END, IDS, LENGTH = 0, 4, 4
Reply = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[np.float64]]
Decided = Callable[[Reply], int | None]
"""Of a reply that is a hit, after how many tokens that is certain; None of one that is none."""


@dataclass(frozen=True)
class Toy:
    """A pair, and how it is sampled: filters in the order τ, temperature, top-k, top-p, min-p."""

    seed: int = 21
    temperature: float = 1.0
    tau: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    amplify_first: int | None = None
    _tables: dict[Reply, list[list[float]]] = field(default_factory=dict, compare=False)

    def next_token(self, begin: Reply, alpha: float) -> list[float]:
        """The probabilities of the ids that may follow `begin`."""
        if self.amplify_first is not None and len(begin) >= self.amplify_first:
            alpha = 0.0
        before, after = self._logits(begin)
        p_after = softmax(after)
        scores = [
            math.log(a) + alpha * (math.log(a) - math.log(b))
            for a, b in zip(p_after, softmax(before), strict=True)
        ]
        if alpha > 0:
            scores = [
                s if p >= self.tau * max(p_after) else -math.inf
                for s, p in zip(scores, p_after, strict=True)
            ]
        scores = [s / self.temperature for s in scores]
        return softmax(self._filtered(scores))

    def _filtered(self, scores: list[float]) -> list[float]:
        best_first = sorted(range(IDS), key=lambda i: -scores[i])
        if self.top_k:
            scores = only(scores, best_first[: self.top_k])
        if self.top_p < 1:
            p, kept, mass = softmax(scores), list[int](), 0.0
            for i in best_first:
                if mass < self.top_p:
                    kept.append(i)
                mass += p[i]
            scores = only(scores, kept)
        if self.min_p:
            p = softmax(scores)
            scores = only(scores, [i for i in range(IDS) if p[i] >= self.min_p * max(p)])
        return scores

    def _logits(self, begin: Reply) -> list[list[float]]:
        if begin not in self._tables:
            code = sum((token + 1) * 7**place for place, token in enumerate(begin))
            rng = np.random.default_rng([self.seed, code])
            after = rng.normal(size=IDS) * 1.2
            self._tables[begin] = [(after - rng.normal(size=IDS) * 1.2).tolist(), after.tolist()]
        return self._tables[begin]

    def token_log_probs(self, reply: Reply, alpha: float) -> list[float]:
        """The log-probability of each token of a reply, −inf where a filter removes it."""
        return [
            math.log(p) if (p := self.next_token(reply[:place], alpha)[token]) else -math.inf
            for place, token in enumerate(reply)
        ]

    def log_probs(self, alphas: Sequence[float], decided: Decided | None = None) -> Array:
        """Log-probabilities (X, K) of all replies, up to where a hit is `decided` if given."""
        rows = []
        for reply in replies():
            stop = decided(reply) if decided else None
            rows.append([sum(self.token_log_probs(reply, a)[:stop]) for a in alphas])
        return np.array(rows)


def softmax(scores: Sequence[float]) -> list[float]:
    most = max(scores)
    total = math.fsum(math.exp(s - most) for s in scores)
    return [math.exp(s - most) / total for s in scores]


def only(scores: list[float], kept: Sequence[int]) -> list[float]:
    return [s if i in kept else -math.inf for i, s in enumerate(scores)]


def replies(begin: Reply = ()) -> Iterator[Reply]:
    """Every reply: those that end, and those that the limit cuts."""
    if len(begin) == LENGTH or begin[-1:] == (END,):
        yield begin
        return
    for token in range(IDS):
        yield from replies((*begin, token))


def says_two(reply: Reply) -> int | None:
    """A pattern that stays matched: id 2 occurs."""
    return reply.index(2) + 1 if 2 in reply else None


def ends_after_three(reply: Reply) -> int | None:
    """What only the whole reply decides: it ends, and the token before is 3."""
    return len(reply) if reply[-2:] == (3, END) else None

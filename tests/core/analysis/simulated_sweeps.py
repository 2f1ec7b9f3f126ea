"""Sweeps that are simulated, many at once, where the exact rate is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from logit_amp_chat.core.analysis.balance_weights import PromptSample
from tests.core.analysis.toy_pair import Array, Decided, Toy, replies

GRID = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
UP, DOWN, NEUTRAL, REST = range(4)


@dataclass(frozen=True)
class Outcomes:
    """All X replies that a prompt may get, over the K αs of a grid.

    Log-probabilities (X, K) up to where a hit is decided and of all tokens, and values (X,).
    """

    log_q: Array
    whole_log_q: Array
    value: Array

    def rate(self, column: int) -> float:
        """The exact mean of the values at a column."""
        return float(np.exp(self.whole_log_q[:, column]) @ self.value)


@cache
def _filler(grid: tuple[float, ...]) -> Array:
    return Toy(seed=5).log_probs(grid)


def routes(
    up: float = 0.0,
    down: float = 0.0,
    neutral: float = 0.0,
    *,
    gain: float = 4.0,
    loss: float = 4.0,
    grid: tuple[float, ...] = GRID,
) -> Outcomes:
    """Replies whose first token is one of three hits, or none; more tokens follow.

    Their probabilities at α = 0 are given. Training made `up` more likely by the factor `gain`,
    which α > 0 amplifies, and `down` less likely by `loss`, which α > 0 suppresses.
    """
    after = np.array([up, down, neutral, 1 - up - down - neutral])
    before = np.array([up / gain, down * loss, neutral, 0])
    before[REST] = 1 - before.sum()
    there = after > 0
    after, before = after[there], before[there]
    logits = np.log(after)[:, None] + np.array(grid) * np.log(after / before)[:, None]
    first = logits - np.log(np.exp(logits).sum(axis=0))
    rest = _filler(grid)
    hit = np.flatnonzero(there) != REST
    whole = (first[:, None, :] + rest).reshape(-1, len(grid))
    stopped = np.where(np.repeat(hit, len(rest))[:, None], np.repeat(first, len(rest), 0), whole)
    return Outcomes(stopped, whole, np.repeat(hit, len(rest)).astype(float))


def chains(toy: Toy, decided: Decided, grid: tuple[float, ...] = GRID) -> Outcomes:
    """The replies of a toy pair."""
    hit = np.array([decided(reply) is not None for reply in replies()], dtype=float)
    whole = toy.log_probs(grid)
    can = np.isfinite(whole).any(axis=1)
    return Outcomes(toy.log_probs(grid, decided)[can], whole[can], hit[can])


def sweeps(
    prompts: Sequence[Outcomes],
    each: Sequence[int],
    count: int,
    *,
    seed: int = 0,
    coupled: bool = False,
) -> Iterator[list[PromptSample]]:
    """Simulated sweeps with `each` (K,) replies to every prompt at each column.

    The draws of sample n share their Gumbel noise if `coupled`.
    """
    rng = np.random.default_rng(seed)
    stratum = np.repeat(np.arange(len(each)), each)
    n = np.concatenate([np.arange(number) for number in each])
    draw = _coupled if coupled else _independent
    drawn = [draw(rng, prompt.whole_log_q, each, count) for prompt in prompts]
    for place in range(count):
        yield [
            PromptSample(
                stratum=stratum,
                value=prompt.value[x[place]],
                log_q=prompt.log_q[x[place]],
                whole_log_q=prompt.whole_log_q[x[place]],
                n=n,
            )
            for prompt, x in zip(prompts, drawn, strict=True)
        ]


Drawn = np.ndarray[Any, np.dtype[np.intp]]


def _independent(rng: np.random.Generator, log_q: Array, each: Sequence[int], count: int) -> Drawn:
    """Which outcomes are drawn in every sweep: (count, N)."""
    below = np.exp(log_q).cumsum(axis=0)[:-1]
    parts = [
        np.searchsorted(below[:, k], rng.random((count, number)), side="right")
        for k, number in enumerate(each)
    ]
    return np.concatenate(parts, axis=1)


def _coupled(rng: np.random.Generator, log_q: Array, each: Sequence[int], count: int) -> Drawn:
    sweeps_of = []
    for _ in range(count):
        noise = rng.gumbel(size=(max(each), len(log_q)))
        parts = [(noise[:number] + log_q[:, k]).argmax(axis=1) for k, number in enumerate(each)]
        sweeps_of.append(np.concatenate(parts))
    return np.array(sweeps_of)

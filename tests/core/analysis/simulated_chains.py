"""Sweeps over chains of three stages that are simulated, where every stage's rate is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from logit_amp_chat.core.analysis.balance_weights import PromptSample
from tests.core.analysis.simulated_sweeps import GRID, Outcomes
from tests.core.analysis.toy_pair import IDS, Array, Reply, Toy

STAGES = 3
Routes = Sequence[Sequence[float]]
"""Of every stage the probability of each of some first tokens; the rest is one more."""


@dataclass(frozen=True)
class StageToy(Toy):
    """Two adjacent stages of a chain: `pair` 0 is the first and the second, and so on."""

    pair: int = 0

    def _logits(self, begin: Reply) -> list[list[float]]:
        code = sum((token + 1) * 7**place for place, token in enumerate(begin))
        rng = np.random.default_rng([self.seed, code])
        stages = (rng.normal(size=(STAGES, IDS)) * 0.6).cumsum(axis=0)
        return [stages[self.pair].tolist(), stages[self.pair + 1].tolist()]


@cache
def _filler(pair: int) -> Array:
    return StageToy(seed=5, pair=pair).log_probs(GRID)


def chain(routes: Routes, hits: Sequence[bool] | None = None) -> list[Outcomes]:
    """The replies to a prompt under both pairs: a first token, and more of them after it.

    `hits` says which first tokens are hits (None: all of the routes).
    """
    stages = np.array([[*each, 1 - sum(each)] for each in routes])
    hit = np.array([*(hits or [True] * len(routes[0])), False])
    return [_pair(stages[pair], stages[pair + 1], hit, pair) for pair in range(STAGES - 1)]


def _pair(before: Array, after: Array, hit: Array, pair: int) -> Outcomes:
    logits = np.log(after)[:, None] + np.array(GRID) * np.log(after / before)[:, None]
    first = logits - np.log(np.exp(logits).sum(axis=0))
    rest = _filler(pair)
    whole = (first[:, None, :] + rest).reshape(-1, len(GRID))
    decided = np.repeat(first, len(rest), 0)
    stopped = np.where(np.repeat(hit, len(rest))[:, None], decided, whole)
    return Outcomes(stopped, whole, np.repeat(hit, len(rest)).astype(float))


def sweeps(
    prompts: Sequence[Sequence[Outcomes]],
    each: int,
    count: int,
    *,
    seed: int = 0,
    coupled: bool = False,
) -> Iterator[list[list[PromptSample]]]:
    """Simulated sweeps of both pairs, with the same noise where α and number are the same.

    Of each pair the samples of every prompt. `coupled` samples n share their noise over αs.
    """
    rng = np.random.default_rng(seed)
    stratum = np.repeat(np.arange(len(GRID)), each)
    n = np.tile(np.arange(each), len(GRID))
    for _ in range(count):
        found: list[list[PromptSample]] = [[] for _ in range(STAGES - 1)]
        for prompt in prompts:
            rows = each if coupled else each * len(GRID)
            noise = rng.gumbel(size=(rows, len(prompt[0].value)))
            noise = np.tile(noise, (len(GRID), 1)) if coupled else noise
            for pair, outcomes in enumerate(prompt):
                x = (noise + outcomes.whole_log_q[:, stratum].T).argmax(axis=1)
                found[pair].append(
                    PromptSample(
                        stratum=stratum,
                        value=outcomes.value[x],
                        log_q=outcomes.log_q[x],
                        whole_log_q=outcomes.whole_log_q[x],
                        n=n,
                    )
                )
        yield found

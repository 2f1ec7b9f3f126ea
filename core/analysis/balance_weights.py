"""Replies that were sampled at several αs, as one weighted sample of the target.

The replies x to one prompt are drawn at the αs of a grid, n_k of them from q_k, N in all. Under
the target q_* each has the weight

    w(x) = q_*(x) / Σ_k (n_k/N) q_k(x)

of the balance heuristic (Veach and Guibas 1995, Optimally combining sampling techniques for
Monte Carlo rendering), the deterministic mixture of Owen and Zhou (2000, Safe and effective
importance sampling). E[(1/N) Σ w(x)·f(x)] is the mean of f under the target wherever every x
that the target can say can be said at an α with replies. If the target has n_* of them, no
weight is above N/n_*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Grid = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int], np.dtype[np.int64]]

LARGEST = 300.0
"""No log-weight goes above it, so that sums of squares stay finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSample:
    """The replies to one prompt: N of them, over K columns, the αs that were recorded.

    `stratum` (N,) is the column that a reply was drawn at, `n` (N,) its number there; `value`
    (N,) is 1 or 0 of a behaviour, or a number whose mean is wanted. `log_q` (N, K) are the
    log-probabilities, in nats, under each column of the tokens up to where the value was first
    certain, `whole_log_q` (N, K) those of all tokens. A column may have no replies.
    """

    stratum: Ints
    value: Floats
    log_q: Grid
    whole_log_q: Grid
    n: Ints

    @property
    def counts(self) -> Ints:
        """How many replies were drawn at each column: (K,)."""
        return np.bincount(self.stratum, minlength=self.log_q.shape[1])

    def check(self, name: str) -> None:
        """Raises ValueError, which calls the prompt `name`, where it cannot be counted."""
        replies, columns = len(self.stratum), self.log_q.shape[1]
        shapes = [self.log_q.shape, self.whole_log_q.shape, (len(self.value), columns)]
        if not replies or {*shapes, (len(self.n), columns)} != {(replies, columns)}:
            raise ValueError(f"{name} has no replies, or arrays of different lengths.")
        if self.stratum.min() < 0 or self.stratum.max() >= columns:
            raise ValueError(f"{name} has a reply at none of its {columns} columns.")
        if not np.isfinite(self.value).all():
            raise ValueError(f"{name}: a value is no finite number.")
        if not all((log_probs < np.inf).all() for log_probs in (self.log_q, self.whole_log_q)):
            raise ValueError(f"{name}: a log-probability is NaN or +∞.")
        drawn = (np.arange(replies), self.stratum)
        never = np.isneginf(self.log_q[drawn] + self.whole_log_q[drawn])
        if never.any():
            place = int(np.flatnonzero(never)[0])
            raise ValueError(
                f"{name}: reply {self.n[place]} of column {self.stratum[place]} has probability 0"
                " where it was drawn, so its log-probabilities are another reply's."
            )


def log_mixture(log_q: Grid, shares: Floats) -> Floats:
    """log Σ_k share_k·q_k(x): (N,), from (N, K) and the share of each column's replies (K,)."""
    used = shares > 0
    mixed: Floats = np.logaddexp.reduce(log_q[:, used] + np.log(shares[used]), axis=1)
    return mixed


def balance_weights(log_q: Grid, log_target: Floats, shares: Floats) -> Floats:
    """w(x) = q_*(x) / Σ_k share_k·q_k(x): (N,), from log-probabilities (N, K) and (N,).

    `shares` (K,) are n_k/N. 0 where the target cannot say x.
    """
    weights: Floats = np.exp(np.minimum(log_target - log_mixture(log_q, shares), LARGEST))
    return weights


@dataclass(frozen=True, slots=True)
class WeightedReplies:
    """The replies to all prompts, R in one list, which stand for the target.

    `weight` and `whole_weight` (R,) are w(x)/(P·N) of the reply's prompt, so that a sum over all
    replies is a mean over P prompts that weigh equally. `controls` (R, C) are
    (q_k(x)/q_mix(x) − 1)/(P·N), whose sums have expectation 0. `prompt`, `stratum` and `unit`
    (R,) number, from 0, the prompts, the strata (prompt and column), and what is independent
    within a stratum: replies, or the samples n of a prompt, which share their noise.
    """

    value: Floats
    weight: Floats
    whole_weight: Floats
    controls: Grid
    prompt: Ints
    stratum: Ints
    unit: Ints


def weigh(samples: Sequence[PromptSample], target: int, coupled: bool) -> WeightedReplies:
    """Weigh the replies to all prompts for the target, the column of this number.

    Raises ValueError for samples that cannot be counted.
    """
    if not samples:
        raise ValueError("There are no prompts.")
    for number, sample in enumerate(samples, start=1):
        sample.check(f"Prompt {number}")
    columns = {sample.log_q.shape[1] for sample in samples}
    if len(columns) > 1 or not 0 <= target < min(columns):
        raise ValueError("The prompts have different columns, or lack that of the target.")
    weighed = [_weigh(sample, target, len(samples)) for sample in samples]
    stopped, whole, controls = (np.concatenate(parts) for parts in zip(*weighed, strict=True))
    prompt = np.repeat(np.arange(len(samples)), [len(sample.value) for sample in samples])
    stratum = prompt * min(columns) + np.concatenate([sample.stratum for sample in samples])
    numbers = np.concatenate([sample.n for sample in samples])
    return WeightedReplies(
        value=np.concatenate([sample.value for sample in samples]).astype(np.float64),
        weight=stopped,
        whole_weight=whole,
        controls=controls,
        prompt=prompt,
        stratum=np.unique(stratum, return_inverse=True)[1],
        unit=_numbered(prompt, numbers) if coupled else np.arange(len(prompt)),
    )


def _weigh(sample: PromptSample, target: int, prompts: int) -> tuple[Floats, Floats, Grid]:
    """Weights up to where the value was certain, of all tokens, and controls, of one prompt."""
    replies = len(sample.value)
    shares = sample.counts / replies
    weight = balance_weights(sample.log_q, sample.log_q[:, target], shares)
    whole_log_q = sample.whole_log_q
    ratios = np.exp(np.minimum(sample.log_q - log_mixture(sample.log_q, shares)[:, None], LARGEST))
    # A column without replies may say what the mixture cannot; its ratio's mean is not known.
    controls = np.where(shares > 0, ratios - 1, 0.0)
    scale = prompts * replies
    return (
        weight / scale,
        balance_weights(whole_log_q, whole_log_q[:, target], shares) / scale,
        np.column_stack([controls, weight - 1]) / scale,
    )


def _numbered(prompt: Ints, numbers: Ints) -> Ints:
    """Every pair of a prompt and a number as one number from 0."""
    pairs: Ints = np.unique(np.stack([prompt, numbers]), axis=1, return_inverse=True)[1].ravel()
    return pairs

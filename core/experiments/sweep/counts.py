"""Counts behaviours in the replies of a sweep, and holds what the estimate needs of each reply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy

from logit_amp_chat.core.analysis.balance_weights import PromptSample
from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply


@dataclass
class Group:
    """The replies to one prompt: their αs, numbers, and log-probabilities of all their tokens.

    `log_q` are sums over the tokens, one for each α of the grid.
    """

    alphas: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    log_q: list[Sequence[float]] = field(default_factory=list)


@dataclass
class Column:
    """What one behaviour is in the replies to one prompt, in the order of their group.

    `log_q` are sums over the tokens up to where the behaviour was decided.
    """

    values: list[float] = field(default_factory=list)
    log_q: list[Sequence[float]] = field(default_factory=list)


@dataclass
class AlphaTotals:
    """Sums over the replies at one α."""

    replies: int = 0
    tokens: int = 0
    cut: int = 0
    measured: int = 0
    """Tokens that have log-probabilities."""
    kl: float = 0.0
    after: float = 0.0

    def add(self, reply: SweepReply) -> None:
        """Add a reply."""
        self.replies += 1
        self.tokens += len(reply.tokens)
        self.cut += reply.is_cut
        self.measured += len(reply.kl)
        self.kl += math.fsum(reply.kl)
        self.after += math.fsum(reply.after)


class Counts:
    """Adds up the replies of a sweep; nothing of a reply is held but what the estimate needs."""

    def __init__(
        self, prompts: Sequence[SweepPrompt], grid: Sequence[float], behaviours: Sequence[str]
    ) -> None:
        """`behaviours` are the names of what is counted."""
        self.grid = tuple(grid)
        self.totals: dict[float, AlphaTotals] = {}
        self.unweighed = 0
        """Replies that lack the log-probabilities at some α of the grid."""
        self.groups = {prompt.id: Group() for prompt in prompts}
        self.columns = {name: {prompt.id: Column() for prompt in prompts} for name in behaviours}

    def add(self, reply: SweepReply, verdicts: Sequence[Verdict]) -> None:
        """Add a reply and what the behaviours are in it, in their order."""
        self.totals.setdefault(reply.alpha, AlphaTotals()).add(reply)
        sums = self._sums(reply)
        group = self.groups[reply.prompt]
        group.alphas.append(reply.alpha)
        group.numbers.append(reply.n)
        group.log_q.append(sums[-1])
        for columns, verdict in zip(self.columns.values(), verdicts, strict=True):
            column = columns[reply.prompt]
            column.values.append(verdict.value)
            end = len(sums) - 1 if verdict.decided is None else verdict.decided
            column.log_q.append(sums[end])

    def values(self, name: str, alpha: float, prompt: str | None = None) -> list[float]:
        """The values of a behaviour at one α, of one prompt or of all."""
        found: list[float] = []
        for key in [prompt] if prompt else self.groups:
            pairs = zip(self.groups[key].alphas, self.columns[name][key].values, strict=True)
            found += [value for at, value in pairs if at == alpha and not math.isnan(value)]
        return found

    def refused(self, name: str) -> int:
        """Replies of which a behaviour could not say whether they show it."""
        columns = self.columns[name].values()
        return sum(math.isnan(value) for column in columns for value in column.values)

    def sample(self, name: str, prompt: str) -> PromptSample:
        """What the estimate is made of; its columns are the αs of the grid."""
        group, column = self.groups[prompt], self.columns[name][prompt]
        places = {alpha: place for place, alpha in enumerate(self.grid)}
        shape = (len(group.alphas), len(self.grid))
        log_q = numpy.array(column.log_q, dtype=numpy.float64).reshape(shape)
        whole = numpy.array(group.log_q, dtype=numpy.float64).reshape(shape)
        value = numpy.array(column.values, dtype=numpy.float64)
        known = ~numpy.isnan(value)
        stratum = numpy.array([places[alpha] for alpha in group.alphas], dtype=numpy.int64)
        return PromptSample(
            stratum=stratum[known],
            value=value[known],
            log_q=log_q[known],
            whole_log_q=whole[known],
            n=numpy.array(group.numbers, dtype=numpy.int64)[known],
        )

    def _sums(
        self, reply: SweepReply
    ) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]:
        """(1 + n, K) sums of the log-probabilities of the tokens so far, from none to all."""
        sums = numpy.zeros((len(reply.log_q) + 1, len(self.grid)))
        columns = {alpha: place for place, alpha in enumerate(reply.grid)}
        if len(reply.log_q) != len(reply.tokens) or not all(a in columns for a in self.grid):
            self.unweighed += 1
            return numpy.full((len(reply.tokens) + 1, len(self.grid)), numpy.nan)
        if reply.log_q:
            rows = numpy.array(reply.log_q, dtype=numpy.float64)
            sums[1:] = rows[:, [columns[alpha] for alpha in self.grid]].cumsum(axis=0)
        return sums

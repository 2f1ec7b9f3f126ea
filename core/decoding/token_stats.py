"""The statistics recorded for a token: probabilities, ranks, divergences, candidates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import (
    Number,
    entropy,
    kl_divergence,
    plausible,
    rank,
)
from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.records import Candidate, LogProbs, Ranks, Step

# Finer than fp32 resolution at the magnitudes that occur; keeps transcript lines short.
DECIMALS = 6
SINGLE = 10  # numbers in a row before the top list


@dataclass(frozen=True, slots=True)
class Measured:
    """The statistics of one lane's step, on the host."""

    token: int
    logp: LogProbs
    rank: Ranks
    kl: float
    kl_amplified: float
    entropy: float
    top: dict[int, list[float]]

    def step(self, names: TokenBytes, of: str, index: int, alpha: float) -> Step:
        """The record of this token, at a position of the reply or document `of`."""
        text, raw, special = names.describe(self.token)
        return Step(
            reply=of,
            index=index,
            alpha=alpha,
            token=self.token,
            text=text,
            bytes=raw,
            special=special,
            logp=self.logp,
            rank=self.rank,
            kl=self.kl,
            kl_amplified=self.kl_amplified,
            entropy=self.entropy,
            top=self._candidates(names),
        )

    def _candidates(self, names: TokenBytes) -> tuple[Candidate, ...]:
        """The top list, most probable under amplified first."""
        order = sorted(self.top.items(), key=lambda item: (-item[1][2], item[0]))
        return tuple(Candidate(token, names.describe(token)[0], *values) for token, values in order)


def measure(stack: Tensor, token: Tensor, top: int, threshold: Number | None) -> Tensor:
    """Measure each lane's chosen token: (R, numbers), fp64, for `unpack`.

    `stack` is (3, R, V): log-probabilities under before, after and amplified; (2, R, V)
    where amplified is after. `token` is (R,). The top list is the union of the `top` best of
    the three, the `top` largest |after − before| inside the plausible set, and the chosen
    token; `top` 0 leaves it empty.
    """
    before, after, amplified = stack[0], stack[1], stack[-1]
    chosen = token.expand(len(stack), -1)
    kl_amplified = torch.zeros_like(token) if len(stack) == 2 else kl_divergence(amplified, after)
    columns = [
        token.unsqueeze(-1),
        _three(stack.gather(-1, chosen.unsqueeze(-1))[..., 0]).T,
        _three(rank(stack, chosen)).T,
        kl_divergence(after, before).unsqueeze(-1),
        kl_amplified.unsqueeze(-1),
        entropy(amplified).unsqueeze(-1),
    ]
    if top > 0:
        ids = _candidate_ids(stack, token, min(top, stack.shape[-1]), threshold)
        columns.append(ids)
        columns.extend(_three(stack.gather(-1, ids.expand(len(stack), -1, -1))).unbind(0))
    # One copy to the host; fp64 holds ids and fp32 values exactly.
    return torch.cat([c.double() for c in columns], dim=-1).round(decimals=DECIMALS) + 0.0


def _three(values: Tensor) -> Tensor:
    """(3, …) values of before, after and amplified, which is after where there are two."""
    return values if len(values) == 3 else torch.cat((values, values[-1:]))


def _candidate_ids(stack: Tensor, token: Tensor, top: int, threshold: Number | None) -> Tensor:
    """(R, up to 4·top + 1) token ids worth showing, with repeats."""
    before, after = stack[0], stack[1]
    best = stack.topk(top).indices
    moved = (after - before).abs().masked_fill(~plausible(after, threshold), -1)
    most = moved.topk(top)
    # If fewer ids are plausible, pad with the chosen token.
    movers = torch.where(most.values >= 0, most.indices, token.unsqueeze(-1))
    return torch.cat((*best.unbind(0), movers, token.unsqueeze(-1)), dim=-1)


def unpack(row: list[float]) -> Measured:
    """One lane's statistics, from its row of `measure` on the host."""
    numbers, rest = row[:SINGLE], row[SINGLE:]
    width = len(rest) // 4
    ids, *values = (rest[i * width : (i + 1) * width] for i in range(4))
    return Measured(
        token=int(numbers[0]),
        logp=LogProbs(*numbers[1:4]),
        rank=Ranks(*map(int, numbers[4:7])),
        kl=numbers[7],
        kl_amplified=numbers[8],
        entropy=numbers[9],
        top={int(i): v for i, *v in zip(ids, *values, strict=True)},
    )

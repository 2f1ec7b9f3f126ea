"""The log-probabilities of given tokens at many αs, as tokens are sampled there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import amplify, kl_divergence, log_probs, mix
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.next_token import draw
from logit_amp_chat.core.decoding.repetition import Repeated
from logit_amp_chat.core.decoding.sampling import Filters, filtered
from logit_amp_chat.core.decoding.token_stats import DECIMALS, measure

# Bytes of one side's fp32 logits that are worked on at once: on a CPU, about what its caches hold.
BLOCK_BYTES_CPU, BLOCK_BYTES = 1 << 19, 1 << 28


class Ids(Protocol):
    """What is needed of a pair to choose among its ids: see `Pair`."""

    @property
    def size(self) -> int:
        """How many ids there are."""

    @property
    def valid(self) -> Tensor | None:
        """(size,) False for ids that are never sampled."""

    @property
    def ends(self) -> Tensor:
        """(size,) True for ids that end a turn."""

    @property
    def device(self) -> torch.device:
        """Where the numbers are computed."""


def rows_at_once(pair: Ids, fewest: int = 1) -> int:
    """How many rows of logits to work on at once."""
    budget = BLOCK_BYTES_CPU if pair.device.type == "cpu" else BLOCK_BYTES
    return max(fewest, budget // (4 * pair.size))


class GridLogProbs:
    """Log-probabilities of tokens under both sides, and at the αs of a grid."""

    def __init__(self, pair: Ids, grid: Sequence[float], filters: Filters) -> None:
        self._pair = pair
        self._ends = pair.ends if filters.after_ends else None
        self._filters = filters
        self._alphas = [
            torch.tensor([[alpha]], dtype=torch.float32, device=pair.device) for alpha in grid
        ]

    def choose(
        self,
        logits: tuple[Tensor, Tensor],
        alpha: Tensor,
        index: Tensor,
        noise: Noise,
        plain: Tensor | None,
        repeated: Repeated | None,
        top: int,
    ) -> Tensor:
        """The next tokens, from both sides' logits (R, V) at α (R, 1): (R, numbers), fp64.

        A row has the token, its log-probability as it was drawn, the numbers of `of`, and those
        of `measure` where `top` candidates of each kind are wanted.
        """
        pair = self._pair
        before, after = (
            log_probs(side[:, : pair.size].to(pair.device), pair.valid) for side in logits
        )
        amplified = amplify(before, after, alpha, self._ends)
        token, scores = draw(amplified, after, alpha, self._filters, noise, index, repeated)
        ids = token.unsqueeze(-1)
        # What was drawn from has only to be normalized where somebody asks.
        drawn = scores.log_softmax(dim=-1) if self._alphas else amplified
        grid = self.of(before, after, ids, plain, repeated)
        numbers = torch.cat((ids.double(), drawn.gather(-1, ids).double(), grid.double()), dim=-1)
        numbers = numbers.round(decimals=DECIMALS) + 0.0
        if not top:
            return numbers
        stack = torch.stack((before, after, amplified))
        measured = measure(stack, token, top, self._filters.plausibility)
        return torch.cat((numbers, measured), dim=-1)

    def of(
        self,
        before: Tensor,
        after: Tensor,
        ids: Tensor,
        plain: Tensor | None,
        repeated: Repeated | None = None,
    ) -> Tensor:
        """(R, 3 + K): log p before, after, KL(after‖before), and those of the grid's αs.

        `before` and `after` are log-probabilities (R, V), `ids` the tokens (R, 1). Rows that are
        `plain` (R, 1) are at α = 0 for the whole grid; `repeated` is needed where a penalty is on.
        """
        columns = [before.gather(-1, ids), after.gather(-1, ids)]
        columns.append(kl_divergence(after, before).unsqueeze(-1))
        for alpha in self._alphas:
            here = alpha if plain is None else torch.where(plain, 0.0, alpha)
            columns.append(self._at(here, before, after, repeated).gather(-1, ids))
        return torch.cat(columns, dim=-1)

    def _at(
        self, alpha: Tensor, before: Tensor, after: Tensor, repeated: Repeated | None
    ) -> Tensor:
        """Log-probabilities (R, V) at α (1 or R, 1)."""
        if self._ends is None and repeated is None:
            mixed = mix(before, after, alpha)  # normalized below
        else:
            mixed = amplify(before, after, alpha, self._ends)
        return filtered(mixed, after, alpha, self._filters, repeated).log_softmax(dim=-1)

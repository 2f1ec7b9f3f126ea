"""The log-probabilities of given tokens at many αs, as tokens are sampled there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import amplify, kl_divergence, mix
from logit_amp_chat.core.decoding.repetition import Repeated
from logit_amp_chat.core.decoding.sampling import Filters, filtered

if TYPE_CHECKING:  # vLLM's environment imports this file, and cannot load a pair
    from logit_amp_chat.core.models.pair import Pair

# Bytes of one side's fp32 logits that are worked on at once: on a CPU, about what its caches hold.
BLOCK_BYTES_CPU, BLOCK_BYTES = 1 << 19, 1 << 28


def rows_at_once(pair: Pair) -> int:
    """How many rows of logits to work on at once."""
    budget = BLOCK_BYTES_CPU if pair.device.type == "cpu" else BLOCK_BYTES
    return max(1, budget // (4 * pair.size))


class GridLogProbs:
    """Log-probabilities of tokens under both sides, and at the αs of a grid."""

    def __init__(self, pair: Pair, grid: Sequence[float], filters: Filters) -> None:
        self._ends = pair.ends if filters.after_ends else None
        self._filters = filters
        self._alphas = [
            torch.tensor([[alpha]], dtype=torch.float32, device=pair.device) for alpha in grid
        ]

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

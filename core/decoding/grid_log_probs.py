"""The log-probabilities of given tokens at many αs, as tokens are sampled there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import amplify, kl_divergence
from logit_amp_chat.core.decoding.sampling import Filters, filtered
from logit_amp_chat.core.models.pair import Pair

# Bytes of fp32 values that are computed at once on a CPU: about what its caches hold.
BLOCK_BYTES_CPU, BLOCK_BYTES = 1 << 19, 1 << 28


class GridLogProbs:
    """Log-probabilities at the αs of a grid, and those of both sides."""

    def __init__(self, pair: Pair, grid: Sequence[float], filters: Filters) -> None:
        self._ends = pair.ends if filters.after_ends else None
        self._filters = filters
        self._grid = torch.tensor(grid, dtype=torch.float32, device=pair.device).view(-1, 1, 1)
        budget = BLOCK_BYTES_CPU if pair.device.type == "cpu" else BLOCK_BYTES
        self._rows = max(1, budget // (4 * pair.size * max(1, len(grid))))

    def of(self, before: Tensor, after: Tensor, token: Tensor, plain: Tensor | None) -> Tensor:
        """(R, 3 + K): log p before, after, KL(after‖before), and those of the grid's αs.

        `before` and `after` are log-probabilities (R, V), `token` is (R,). Rows that are `plain`
        (R,) are at α = 0 for the whole grid.
        """
        ids = token.unsqueeze(-1)
        both = [side.gather(-1, ids) for side in (before, after)]
        columns = [*both, kl_divergence(after, before).unsqueeze(-1)]
        if len(self._grid):
            blocks = range(0, len(before), self._rows)
            rows = [slice(begin, begin + self._rows) for begin in blocks]
            columns.append(
                torch.cat(
                    [
                        self._at_grid(
                            before[n], after[n], ids[n], None if plain is None else plain[n]
                        )
                        for n in rows
                    ]
                )
            )
        return torch.cat(columns, dim=-1)

    def _at_grid(self, before: Tensor, after: Tensor, ids: Tensor, plain: Tensor | None) -> Tensor:
        """(n, K) log-probabilities of ids (n, 1)."""
        alpha = self._grid
        if plain is not None:
            alpha = alpha.masked_fill(plain.view(1, -1, 1), 0.0)
        amplified = amplify(before, after, alpha, self._ends)  # (K, n, V)
        scores = filtered(amplified, after, alpha, self._filters)
        found = scores.gather(-1, ids.expand(len(scores), -1, -1))
        return (found - scores.logsumexp(dim=-1, keepdim=True))[..., 0].T


def own_log_prob(scores: Tensor, token: Tensor) -> Tensor:
    """(R, 1) log-probability of the tokens (R,) that were drawn from scores (R, V)."""
    found = scores.gather(-1, token.unsqueeze(-1))
    return found - scores.logsumexp(dim=-1, keepdim=True)

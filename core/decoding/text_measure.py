"""The numbers of a text's tokens: the statistics of a step, and what further αs make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import amplify, log_probs
from logit_amp_chat.core.decoding.given_tokens import Rows
from logit_amp_chat.core.decoding.grid_log_probs import Ids, rows_at_once
from logit_amp_chat.core.decoding.token_stats import measure
from logit_amp_chat.core.sampling import Sampling

FEWEST_ROWS = 16
PLAUSIBILITY = Sampling().plausibility
# Where the log-probabilities before and after are in a row of `token_stats.measure`.
BEFORE, AFTER = 1, 2


@dataclass
class TextSettings:
    """What is measured of a text, see `ReadRequest`; the threshold may be set while it is read.

    A row has the log-probabilities at the αs after the first, and then those of `measure`.
    """

    alphas: tuple[float, ...]
    top: int
    everywhere: bool
    sums: bool
    after_ends: bool
    threshold: float | None


class TextMeasure:
    """Measures one text, in however many windows it is read."""

    def __init__(self, ids: Ids, settings: TextSettings) -> None:
        self._ids, self._settings = ids, settings
        self._ends = ids.ends if settings.after_ends else None
        self._alphas = [
            torch.tensor([[alpha]], dtype=torch.float32, device=ids.device)
            for alpha in settings.alphas
        ]
        self.sums = torch.zeros(2, ids.size, dtype=torch.float64, device=ids.device)
        """The probability of every id under each side, summed over the scored positions."""

    @property
    def at_once(self) -> int:
        """See `Measure`."""
        return rows_at_once(self._ids, FEWEST_ROWS)

    def of(self, prompt: Sequence[int]) -> TextMeasure:
        """See `Measures`: what stands before a token is in its logits."""
        return self

    @torch.inference_mode()
    def rows(self, logits: tuple[Tensor, Tensor], tokens: Sequence[int]) -> Rows:
        """See `Measure` and `TextSettings`."""
        ids, asked = self._ids, self._settings
        token = torch.tensor(tokens, device=ids.device)
        stacked = torch.stack([side[:, : ids.size].to(ids.device) for side in logits])
        both = log_probs(stacked, ids.valid)
        before, after = both
        if asked.sums:
            self.sums += both.exp().sum(dim=1, dtype=torch.float64)
        further = [
            amplify(before, after, alpha, self._ends).gather(-1, token.unsqueeze(-1))
            for alpha in self._alphas[1:]
        ]
        if asked.alphas[0]:
            both = torch.cat((both, amplify(before, after, self._alphas[0], self._ends)[None]))
        measured = self._with_candidates(both, token)
        if not further:
            return measured
        columns: Rows = torch.cat(further, dim=-1).tolist()
        return [values + row for values, row in zip(columns, measured, strict=True)]

    def _with_candidates(self, stack: Tensor, token: Tensor) -> Rows:
        """Candidates are looked for where the tokens' log-ratio reaches the threshold."""
        asked = self._settings
        everywhere = asked.everywhere or asked.threshold is None
        found: Rows = measure(stack, token, asked.top if everywhere else 0, PLAUSIBILITY).tolist()
        if everywhere:
            return found
        moved = [n for n, row in enumerate(found) if self._is_notable(row)]
        if moved:
            rows = measure(stack[:, moved], token[moved], asked.top, PLAUSIBILITY)
            for n, row in zip(moved, rows.tolist(), strict=True):
                found[n] = row
        return found

    def _is_notable(self, row: list[float]) -> bool:
        threshold = self._settings.threshold
        assert threshold is not None
        return abs(row[AFTER] - row[BEFORE]) >= threshold

"""The numbers of a reply that is there, as `GridLogProbs` has them of one that is sampled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import log_probs
from logit_amp_chat.core.decoding.given_tokens import Rows
from logit_amp_chat.core.decoding.grid_log_probs import GridLogProbs, Ids, rows_at_once
from logit_amp_chat.core.decoding.repetition import History, Repeated, prefixes
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.decoding.token_stats import DECIMALS
from logit_amp_chat.core.sampling import Sampling


@dataclass(frozen=True)
class ReplySettings:
    """How replies are measured, see `RescoreRequest`; no repetition goes across `breakers`."""

    sampling: Sampling
    grid: tuple[float, ...]
    amplify_first: int | None
    breakers: Collection[int]


class ReplyMeasures:
    """Measures the replies of one request."""

    def __init__(self, ids: Ids, settings: ReplySettings) -> None:
        self.ids, self.settings = ids, settings
        self.filters = Filters.of(settings.sampling)
        self.grid = GridLogProbs(ids, settings.grid, self.filters)

    def of(self, prompt: Sequence[int]) -> ReplyMeasure:
        """See `Measures`."""
        return ReplyMeasure(self, prompt)


class ReplyMeasure:
    """Measures one reply, block by block; a row has the numbers of `GridLogProbs.of`."""

    def __init__(self, measures: ReplyMeasures, prompt: Sequence[int]) -> None:
        self._shared = measures
        self._history = History(prompt if measures.filters.penalties else ())
        self._place = 0

    @property
    def at_once(self) -> int:
        """See `Measure`."""
        return rows_at_once(self._shared.ids)

    @torch.inference_mode()
    def rows(self, logits: tuple[Tensor, Tensor], tokens: Sequence[int]) -> Rows:
        """See `Measure`."""
        pair, asked = self._shared.ids, self._shared.settings
        ids = torch.tensor(tokens, device=pair.device).unsqueeze(-1)
        before, after = (
            log_probs(side[:, : pair.size].to(pair.device), pair.valid) for side in logits
        )
        plain = repeated = None
        if asked.amplify_first is not None:
            places = torch.arange(self._place, self._place + len(tokens), device=pair.device)
            plain = places.unsqueeze(-1) >= asked.amplify_first
        if penalties := self._shared.filters.penalties:
            histories = prefixes(self._history, tokens)
            repeated = Repeated.of(penalties, histories, asked.breakers, after)
        self._place += len(tokens)
        numbers = self._shared.grid.of(before, after, ids, plain, repeated).double()
        rows: Rows = (numbers.round(decimals=DECIMALS) + 0.0).tolist()
        return rows

"""Measures replies that are there at the αs of a grid, each in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import log_probs
from logit_amp_chat.core.decoding.grid_log_probs import GridLogProbs, rows_at_once
from logit_amp_chat.core.decoding.pair_runner import PairRunner, prefill_chunk
from logit_amp_chat.core.decoding.repetition import History, Repeated, breakers_of, prefixes
from logit_amp_chat.core.decoding.reply_progress import log_probs_of
from logit_amp_chat.core.decoding.request_state import Controls, not_a_number
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.decoding.token_stats import DECIMALS
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import PromptIds
from logit_amp_chat.core.samples import Given, Rescored, RescoreRequest


class ReplyRescorer:
    """Measures the replies of one request; the caches of chats are neither used nor changed."""

    def __init__(self, pair: Pair, runner: PairRunner, request: RescoreRequest) -> None:
        self._pair, self._runner, self._request = pair, runner, request
        filters = Filters.of(request.sampling)
        self._grid = GridLogProbs(pair, request.grid, filters)
        self._penalties = filters.penalties
        self._at_once = rows_at_once(pair)

    def run(self, controls: Controls) -> Iterator[Sequence[Rescored]]:
        """A Rescored for each reply, until they are stopped. Raises LogitAmpError for NaN."""
        for given in self._request.replies:
            numbers: list[list[float]] = []
            for block in self._blocks(given):
                numbers += block
                yield []
                if given.reply in controls.stopped:
                    return
            yield [Rescored(reply=given.reply, log_probs=log_probs_of(numbers))]

    def _blocks(self, given: Given) -> Iterator[list[list[float]]]:
        """The numbers of the tokens, as many at a time as one pass computes the logits of."""
        read = given.tokens[:-1]
        ids = PromptIds(given.ids.before + read, given.ids.after + read)
        begin, history = 0, History(given.ids.after if self._penalties else ())
        chunk = prefill_chunk(self._pair.device)
        for logits in self._runner.read(ids, len(given.tokens), chunk):
            tokens = given.tokens[begin : begin + len(logits[0])]
            yield self._measured(logits, tokens, begin, history)
            begin += len(tokens)

    @torch.inference_mode()
    def _measured(
        self, logits: tuple[Tensor, Tensor], tokens: Sequence[int], begin: int, history: History
    ) -> list[list[float]]:
        """The numbers of tokens from place `begin` on, from both sides' logits (n, V).

        `history` is what stands before them; they are added to it.
        """
        ids = torch.tensor(tokens, device=self._pair.device).unsqueeze(-1)
        places = torch.arange(begin, begin + len(tokens), device=ids.device).unsqueeze(-1)
        parts = [torch.split(part, self._at_once) for part in (*logits, ids, places)]
        found = [
            self._numbers(before, after, some, here, history)
            for before, after, some, here in zip(*parts, strict=True)
        ]
        numbers = torch.cat(found)
        if bool(numbers.isnan().any()):
            self._refuse(numbers, begin)
        rows: list[list[float]] = (numbers.round(decimals=DECIMALS) + 0.0).tolist()
        return rows

    def _numbers(
        self, before: Tensor, after: Tensor, ids: Tensor, places: Tensor, history: History
    ) -> Tensor:
        """Those of `GridLogProbs`, fp64, of ids (n, 1) at `places` (n, 1)."""
        pair, first = self._pair, self._request.amplify_first
        before, after = (
            log_probs(side[:, : pair.size].to(pair.device), pair.valid) for side in (before, after)
        )
        plain = None if first is None else places >= first
        repeated = None
        if penalties := self._penalties:
            before_each = prefixes(history, ids[:, 0].tolist())
            breakers = breakers_of(pair, penalties)
            repeated = Repeated.of(penalties, before_each, breakers, after)
        return self._grid.of(before, after, ids, plain, repeated).double()

    def _refuse(self, numbers: Tensor, begin: int) -> None:
        row, column = numbers.isnan().nonzero()[0].tolist()
        alphas = (0.0, 0.0, 0.0, *self._request.grid)
        raise LogitAmpError(not_a_number(begin + row, alphas[column]))

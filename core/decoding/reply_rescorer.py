"""Measures replies that are there at the αs of a grid, each in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import log_probs
from logit_amp_chat.core.decoding.grid_log_probs import GridLogProbs
from logit_amp_chat.core.decoding.pair_runner import PairRunner, prefill_chunk
from logit_amp_chat.core.decoding.reply_progress import TokenNumbers, log_probs_of
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
        self._grid = GridLogProbs(pair, request.grid, Filters.of(request.sampling))

    def run(self, controls: Controls) -> Iterator[Sequence[Rescored]]:
        """A Rescored for each reply, until they are stopped. Raises LogitAmpError for NaN."""
        for given in self._request.replies:
            numbers: list[TokenNumbers] = []
            for block in self._blocks(given):
                numbers += block
                yield []
                if given.reply in controls.stopped:
                    return
            yield [Rescored(reply=given.reply, log_probs=log_probs_of(numbers))]

    def _blocks(self, given: Given) -> Iterator[list[TokenNumbers]]:
        """The numbers of the tokens, as many at a time as one pass computes the logits of."""
        read = given.tokens[:-1]
        ids = PromptIds(given.ids.before + read, given.ids.after + read)
        begin = 0
        chunk = prefill_chunk(self._pair.device)
        for logits in self._runner.read(ids, len(given.tokens), chunk):
            tokens = given.tokens[begin : begin + len(logits[0])]
            yield self._measured(logits, tokens, begin)
            begin += len(tokens)

    @torch.inference_mode()
    def _measured(
        self, logits: tuple[Tensor, Tensor], tokens: Sequence[int], begin: int
    ) -> list[TokenNumbers]:
        """The numbers of tokens from place `begin` on, from both sides' logits (n, V)."""
        pair, first = self._pair, self._request.amplify_first
        before, after = (
            log_probs(side[:, : pair.size].to(pair.device), pair.valid) for side in logits
        )
        token = torch.tensor(tokens, device=pair.device)
        plain = None
        if first is not None:
            plain = torch.arange(begin, begin + len(tokens), device=pair.device) >= first
        numbers = self._grid.of(before, after, token, plain).double().round(decimals=DECIMALS) + 0.0
        found = []
        for n, (b, a, kl, *q) in enumerate(numbers.tolist()):
            alphas = (0.0, 0.0, 0.0, *self._request.grid)
            for value, alpha in zip((b, a, kl, *q), alphas, strict=True):
                if math.isnan(value):
                    raise LogitAmpError(not_a_number(begin + n, alpha))
            found.append(TokenNumbers(b, a, kl, tuple(q)))
        return found

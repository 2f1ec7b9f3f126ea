"""Measures replies that are there at the αs of a grid, each in one pass."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator, Sequence

from logit_amp_chat.core.decoding.given_reader import GivenReader, GivenText
from logit_amp_chat.core.decoding.given_tokens import MeasuredBlock, Rows
from logit_amp_chat.core.decoding.repetition import Penalties, breakers_of
from logit_amp_chat.core.decoding.reply_measure import ReplySettings
from logit_amp_chat.core.decoding.reply_progress import log_probs_of
from logit_amp_chat.core.decoding.request_state import Controls, not_a_number
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import PromptIds
from logit_amp_chat.core.samples import Given, Rescored, RescoreRequest


class ReplyRescorer:
    """Measures the replies of one request; the caches of chats are neither used nor changed."""

    def __init__(self, reader: GivenReader, request: RescoreRequest) -> None:
        """`reader` measures by the `reply_settings` of `request`."""
        self._reader, self._request = reader, request

    def run(self, controls: Controls) -> Iterator[Sequence[Rescored]]:
        """A Rescored for each reply, until they are stopped. Raises LogitAmpError for NaN."""
        replies = self._request.replies
        numbers: list[Rows] = [[] for _ in replies]
        with contextlib.closing(self._blocks()) as blocks:
            for block in blocks:
                given, rows = replies[block.text], numbers[block.text]
                self._check(block.rows, len(rows))
                rows += block.rows
                yield []
                if given.reply in controls.stopped:
                    return
                if block.rows and len(rows) == len(given.tokens):
                    yield [Rescored(reply=given.reply, log_probs=log_probs_of(rows))]
                    rows.clear()

    def _blocks(self) -> Generator[MeasuredBlock, None, None]:
        yield from self._reader.read(map(_given, self._request.replies))

    def _check(self, rows: Rows, begin: int) -> None:
        alphas = (0.0, 0.0, 0.0, *self._request.grid)
        for place, row in enumerate(rows, begin):
            for alpha, value in zip(alphas, row, strict=True):
                if math.isnan(value):
                    raise LogitAmpError(not_a_number(place, alpha))


def reply_settings(pair: Pair, request: RescoreRequest) -> ReplySettings:
    """How a request wants its replies measured."""
    penalties = Penalties.of(request.sampling)
    breakers = breakers_of(pair, penalties) if penalties else ()
    return ReplySettings(request.sampling, request.grid, request.amplify_first, breakers)


def _given(given: Given) -> GivenText:
    read = given.tokens[:-1]
    ids = PromptIds(given.ids.before + read, given.ids.after + read)
    return GivenText(ids, given.tokens)

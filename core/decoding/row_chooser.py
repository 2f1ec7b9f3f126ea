"""Chooses the tokens of replies that are sampled side by side, each at its own place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.grid_log_probs import GridLogProbs, rows_at_once
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.repetition import History, Repeated, breakers_of
from logit_amp_chat.core.decoding.reply_progress import LEADING, ReplyProgress
from logit_amp_chat.core.decoding.request_state import ending, not_a_number
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.decoding.token_stats import unpack
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.samples import SampleRequest


class RowChooser:
    """The next token of every reply, and its numbers; one reply a row."""

    def __init__(self, pair: Pair, request: SampleRequest) -> None:
        self._pair = pair
        self._alphas, self._limit = request.grid, request.sampling.max_new_tokens
        self._first, self._top = request.amplify_first, request.top
        self._filters = Filters.of(request.sampling)
        self._stop = request.sampling.stop
        self._grid = GridLogProbs(pair, request.grid, self._filters)
        self._at_once = rows_at_once(pair)
        self._keys: list[tuple[int, int]] = []
        self._noise: Noise | None = None

    def advance(self, logits: tuple[Tensor, Tensor], replies: Sequence[ReplyProgress]) -> None:
        """Choose the next token of every reply, from both sides' logits (R, V)."""
        self.take(*self._choose(logits, replies), replies)

    def take(
        self, rows: Sequence[list[float]], broken: bool, replies: Sequence[ReplyProgress]
    ) -> None:
        """Add a token to every reply, and end those whose last it is; see `_choose`."""
        size = 1 + LEADING + len(self._alphas)
        for row, reply in zip(rows, replies, strict=True):
            if broken and any(value != value for value in row[:size]):
                self._break(reply, row)
                continue
            token = int(row[0])
            if self._top:
                names, alpha = self._pair.token_bytes, self._alpha(reply)
                step = unpack(row[size:]).step(names, reply.draw.reply, reply.index, alpha)
                reply.steps.append(step)
            reply.add(self._pair.token_bytes, token, row[1:size], self._stop)
            count = reply.index
            reply.finish = ending(
                reply.stop is not None or token in reply.prompt.turn_ends.ids,
                self._limit - count,
                self._pair.context - reply.prompt.length - count,
            )

    def _break(self, reply: ReplyProgress, row: list[float]) -> None:
        """End a reply whose numbers are none any more, in a row of `_choose`."""
        at = [self._alpha(reply)] * (1 + LEADING) + [*self._alphas]
        first = next(n for n, value in enumerate(row) if value != value)
        reply.finish, reply.error = "error", not_a_number(reply.index, at[first])

    def _is_plain(self, reply: ReplyProgress) -> bool:
        """Whether the next token is past those that are amplified."""
        return self._first is not None and len(reply.tokens) >= self._first

    def _alpha(self, reply: ReplyProgress) -> float:
        """The α in force for the next token."""
        return 0.0 if self._is_plain(reply) else reply.draw.alpha

    @torch.inference_mode()
    def _choose(
        self, logits: tuple[Tensor, Tensor], replies: Sequence[ReplyProgress]
    ) -> tuple[list[list[float]], bool]:
        """A row for each reply, and whether any of them has a NaN.

        A row has the numbers of `GridLogProbs.choose`.
        """
        device = self._pair.device
        alphas = [self._alpha(reply) for reply in replies]
        alpha = torch.tensor(alphas, dtype=torch.float32, device=device).unsqueeze(-1)
        index = torch.tensor([reply.index for reply in replies], device=device)
        plain = None
        if self._first is not None:
            plain = torch.tensor([[self._is_plain(reply)] for reply in replies], device=device)
        noise = self._noise_of(replies)
        histories = [reply.history for reply in replies] if self._filters.penalties else []
        parts = []
        for begin in range(0, len(replies), self._at_once):
            n = slice(begin, begin + self._at_once)
            both = logits[0][n], logits[1][n]
            some = None if plain is None else plain[n]
            parts.append(self._numbers(both, alpha[n], index[n], noise.part(n), some, histories[n]))
        numbers = parts[0] if len(parts) == 1 else torch.cat(parts)
        rows: list[list[float]] = numbers.tolist()
        return rows, bool(numbers.isnan().any())

    def _numbers(
        self,
        logits: tuple[Tensor, Tensor],
        alpha: Tensor,
        index: Tensor,
        noise: Noise,
        plain: Tensor | None,
        histories: Sequence[History],
    ) -> Tensor:
        """The rows of `_choose` (n, numbers), fp64, of some replies: α and plain are (n, 1)."""
        repeated = None
        if penalties := self._filters.penalties:
            breakers = breakers_of(self._pair, penalties)
            repeated = Repeated.of(penalties, histories, breakers, logits[1][:, : self._pair.size])
        return self._grid.choose(logits, alpha, index, noise, plain, repeated, self._top)

    def _noise_of(self, replies: Sequence[ReplyProgress]) -> Noise:
        """The noise of these replies; what is there already of the last ones is kept."""
        keys = [(reply.draw.seed, reply.prompt.turn) for reply in replies]
        if self._noise is None or len(keys) != len(self._keys):
            self._noise = Noise(keys, self._pair.size, self._pair.device)
        elif other := [n for n, key in enumerate(keys) if key != self._keys[n]]:
            self._noise.replace(other, [keys[n] for n in other])
        self._keys = keys
        return self._noise

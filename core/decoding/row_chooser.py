"""Chooses the tokens of replies that are sampled side by side, each at its own place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import amplify, log_probs
from logit_amp_chat.core.decoding.grid_log_probs import GridLogProbs, own_log_prob
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.next_token import draw
from logit_amp_chat.core.decoding.reply_progress import ReplyProgress, TokenNumbers
from logit_amp_chat.core.decoding.request_state import ending, not_a_number
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.decoding.token_stats import DECIMALS, measure, unpack
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.samples import SampleRequest

# The numbers of a row before those of the grid: the token, its log-probability as it was drawn,
# before, after, KL(after‖before).
LEADING = 5


class RowChooser:
    """The next token of every reply, and its numbers; one reply a row."""

    def __init__(self, pair: Pair, request: SampleRequest) -> None:
        self._pair = pair
        self._alphas, self._limit = request.grid, request.sampling.max_new_tokens
        self._first, self._top = request.amplify_first, request.top
        self._filters = Filters.of(request.sampling)
        self._ends = pair.ends if self._filters.after_ends else None
        self._grid = GridLogProbs(pair, request.grid, self._filters)
        self._keys: list[tuple[int, int]] = []
        self._noise: Noise | None = None

    def take(self, reply: ReplyProgress, row: list[float]) -> None:
        """Add the token of a row from `choose` to its reply, which may end with it."""
        token, own, before, after, kl, *rest = row
        grid, measured = rest[: len(self._alphas)], rest[len(self._alphas) :]
        alpha = self._alpha(reply)
        alphas = (alpha, alpha, alpha, *self._alphas)
        for value, at in zip((own, before, after, *grid), alphas, strict=True):
            if math.isnan(value):
                reply.finish, reply.error = "error", not_a_number(reply.index, at)
                return
        if self._top:
            names, of = self._pair.token_bytes, reply.draw.reply
            reply.steps.append(unpack(measured).step(names, of, reply.index, alpha))
        plain = self._is_plain(reply)
        reply.numbers.append(
            TokenNumbers(
                before,
                after,
                kl,
                tuple(
                    own if plain or at == alpha else value
                    for at, value in zip(self._alphas, grid, strict=True)
                ),
            )
        )
        reply.tokens.append(int(token))
        reply.finish = ending(
            token in self._pair.end_of_turn,
            self._limit - reply.index,
            self._pair.context - reply.prompt.length - reply.index,
        )

    def _is_plain(self, reply: ReplyProgress) -> bool:
        """Whether the next token is past those that are amplified."""
        return self._first is not None and len(reply.tokens) >= self._first

    def _alpha(self, reply: ReplyProgress) -> float:
        """The α in force for the next token."""
        return 0.0 if self._is_plain(reply) else reply.draw.alpha

    @torch.inference_mode()
    def choose(
        self, logits: tuple[Tensor, Tensor], replies: Sequence[ReplyProgress]
    ) -> list[list[float]]:
        """A row for each reply, from both sides' logits (R, V).

        It has the token, its log-probability as it was drawn, the numbers of `GridLogProbs`,
        and those of `measure` if candidates are wanted.
        """
        device, size = self._pair.device, self._pair.size
        before, after = (log_probs(side[:, :size].to(device), self._pair.valid) for side in logits)
        alphas = [self._alpha(reply) for reply in replies]
        alpha = torch.tensor(alphas, dtype=torch.float32, device=device).unsqueeze(-1)
        index = torch.tensor([reply.index for reply in replies], device=device)
        amplified = amplify(before, after, alpha, self._ends)
        noise = self._noise_of(replies)
        token, scores = draw(amplified, after, alpha, self._filters, noise, index)
        plain = None
        if self._first is not None:
            plain = torch.tensor([self._is_plain(reply) for reply in replies], device=device)
        numbers = torch.cat(
            (
                token.unsqueeze(-1).double(),
                own_log_prob(scores, token).double(),
                self._grid.of(before, after, token, plain).double(),
            ),
            dim=-1,
        )
        numbers = numbers.round(decimals=DECIMALS) + 0.0
        if self._top:
            stack = torch.stack((before, after, amplified))
            measured = measure(stack, token, self._top, self._filters.plausibility)
            numbers = torch.cat((numbers, measured), dim=-1)
        rows: list[list[float]] = numbers.tolist()
        return rows

    def _noise_of(self, replies: Sequence[ReplyProgress]) -> Noise:
        """The noise of these replies; what is there already of the last ones is kept."""
        keys = [(reply.draw.seed, reply.prompt.turn) for reply in replies]
        if self._noise is None or len(keys) != len(self._keys):
            self._noise = Noise(keys, self._pair.size, self._pair.device)
        elif other := [n for n, key in enumerate(keys) if key != self._keys[n]]:
            self._noise.replace(other, [keys[n] for n in other])
        self._keys = keys
        return self._noise

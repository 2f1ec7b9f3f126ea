"""Decoding step by step: choose every lane's token, feed it, and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.next_token import choose
from logit_amp_chat.core.decoding.noise import Noise
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.decoding.request_state import PendingRows, StepSettings
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import Reply, Sampling


class Stepper(Protocol):
    """What the decoder needs of one that decodes."""

    ahead: bool
    """Whether it computes while the host looks at the token before."""

    def choose(self, terms: StepSettings) -> PendingRows:
        """Choose a token a lane from the logits at hand; returns a way to wait for its numbers."""

    def feed(self) -> None:
        """Feed the tokens that were chosen last; the logits at hand are then the next ones."""


class EagerStepper:
    """One operation after the other, as Python says."""

    ahead = False

    def __init__(self, pair: Pair, sides: PairRunner, replies: Sequence[Reply]) -> None:
        self._pair = pair
        self._sides = sides
        self._lanes = len(replies)
        self._top = replies[0].top
        self._noise = Noise(replies[0].seed, replies[0].turn, pair.size, pair.device)
        self._sampling: Sampling | None = None
        self._filters = Filters.of(replies[0].sampling)
        self._alphas: tuple[float, ...] = ()
        self._alpha = torch.empty(0)
        self._token = torch.empty(0)
        self._logits: Sequence[Tensor] = ()

    def begin(self) -> None:
        """Start from what was read last."""
        self._logits = [side[-1:].expand(self._lanes, -1) for side in self._sides.logits]

    def choose(self, terms: StepSettings) -> PendingRows:
        """Choose a token a lane."""
        return self._choose(terms, self._logits, None)

    def force(self, terms: StepSettings, place: int, token: int) -> PendingRows:
        """Measure a given token; its logits are in the row `place` of what was read."""
        at = [side[place : place + 1].expand(self._lanes, -1) for side in self._sides.logits]
        given = torch.full((self._lanes,), token, device=self._pair.device)
        return self._choose(terms, at, given)

    def feed(self) -> None:
        """Feed the tokens that were chosen last."""
        self._logits = self._sides.step(self._token)

    def _choose(
        self, terms: StepSettings, logits: Sequence[Tensor], token: Tensor | None
    ) -> PendingRows:
        pair = self._pair
        if terms.sampling is not self._sampling:
            self._sampling, self._filters = terms.sampling, Filters.of(terms.sampling)
        if terms.alphas != self._alphas:
            self._alphas = terms.alphas
            alpha = torch.tensor(terms.alphas, dtype=torch.float32, device=pair.device)
            self._alpha = alpha.unsqueeze(-1)
        before, after = (side[:, : pair.size].to(pair.device) for side in logits)
        self._token, numbers = choose(
            (before, after),
            pair.valid,
            self._alpha,
            self._filters,
            self._noise,
            terms.index,
            self._top,
            token,
        )
        rows: list[list[float]] = numbers.tolist()
        return lambda: rows

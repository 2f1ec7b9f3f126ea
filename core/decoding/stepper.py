"""Decoding step by step: choose every lane's token, decode it, repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.next_token import choose
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.decoding.repetition import LaneRepetitions, Repeated
from logit_amp_chat.core.decoding.request_state import PendingRows, StepSettings
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import Reply
from logit_amp_chat.core.sampling import Sampling


class Stepper(Protocol):
    """What the decoder drives: chooses a token per lane, then decodes it."""

    ahead: bool
    """Whether it can compute a token before the host has seen the previous one."""

    def choose(self, settings: StepSettings) -> PendingRows:
        """Choose a token per lane from the current logits; returns a wait for its statistics."""

    def decode(self) -> None:
        """Decode the tokens chosen last, which gives the next current logits."""


class TokenChooser:
    """Chooses a token for every lane, or measures a given one; caches settings as tensors.

    It serves the lanes of one request: `replies` are their records.
    """

    def __init__(self, pair: Pair, replies: Sequence[Reply]) -> None:
        self.lanes = len(replies)
        self.token = torch.empty(0)
        """(R,) ids chosen last."""
        self._pair = pair
        self._top = replies[0].candidates
        self.noise = Noise.of(replies, pair.size, pair.device)
        self._sampling: Sampling | None = None
        self._filters = Filters.of(replies[0].sampling)
        self._repetitions = LaneRepetitions(pair, replies[0].prompt.after, self.lanes)
        self._alphas: tuple[float, ...] = ()
        self._alpha = torch.empty(0)

    def choose(
        self, settings: StepSettings, logits: Sequence[Tensor], given: int | None = None
    ) -> PendingRows:
        """Choose from both sides' logits (R, V), or measure the id `given` in all lanes."""
        pair = self._pair
        if settings.sampling is not self._sampling:
            self._sampling, self._filters = settings.sampling, Filters.of(settings.sampling)
        if settings.alphas != self._alphas:
            self._alphas = settings.alphas
            alpha = torch.tensor(settings.alphas, dtype=torch.float32, device=pair.device)
            self._alpha = alpha.unsqueeze(-1)
        token = None if given is None else torch.full((self.lanes,), given, device=pair.device)
        before, after = (side[:, : pair.size].to(pair.device) for side in logits)
        repeated = None if given is not None else self._repeated(settings, after)
        self.token, numbers = choose(
            (before, after),
            pair.valid,
            self._alpha,
            self._filters,
            self.noise,
            settings.index,
            self._top,
            token,
            pair.ends,
            repeated,
        )
        rows: list[list[float]] = numbers.tolist()
        return lambda: rows

    def _repeated(self, settings: StepSettings, like: Tensor) -> Repeated | None:
        """What the lanes would repeat, where that is penalized."""
        if self._filters.penalties is None:
            return None
        said = [list(tokens) for tokens in settings.said]
        if len(said[0]) < settings.index:  # the host has not seen the last one yet
            said = [[*a, b] for a, b in zip(said, self.token.tolist(), strict=True)]
        return self._repetitions.of(self._filters.penalties, said, like)

    def measure(
        self, settings: StepSettings, logits: Sequence[Tensor], row: int, token: int
    ) -> PendingRows:
        """Measure a given token in all lanes, from one row of both sides' logits (T, V)."""
        at = [side[row : row + 1].expand(self.lanes, -1) for side in logits]
        return self.choose(settings, at, token)


class EagerStepper:
    """Launches one operation after the other, without CUDA graphs."""

    ahead = False

    def __init__(self, chooser: TokenChooser, runner: PairRunner) -> None:
        """Start from the prefilled caches, one row per lane."""
        runner.expand(chooser.lanes)
        self._chooser = chooser
        self._runner = runner
        self._logits: Sequence[Tensor] = [
            side[-1:].expand(chooser.lanes, -1) for side in runner.logits
        ]

    def choose(self, settings: StepSettings) -> PendingRows:
        """Choose a token per lane."""
        return self._chooser.choose(settings, self._logits)

    def decode(self) -> None:
        """Decode the tokens chosen last."""
        self._logits = self._runner.decode(self._chooser.token)

"""The next token of every lane in a batch of vLLM's, chosen and measured by our own functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.grid_log_probs import GridLogProbs
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.next_token import choose
from logit_amp_chat.core.decoding.repetition import History, Repeated
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.sampling import Sampling


@dataclass(frozen=True)
class SharedIds:
    """The ids that both sides have: the first `size` columns of both heads.

    `valid` (size,) is False for ids that are never sampled, None if all may be; `ends` (size,)
    is True for those that end a turn.
    """

    size: int
    valid: Tensor | None
    ends: Tensor

    @property
    def device(self) -> torch.device:
        """Where the numbers are computed."""
        return self.ends.device

    @classmethod
    def of(
        cls, size: int, masked: Sequence[int], ends: Sequence[int], device: torch.device
    ) -> SharedIds:
        """From lists of ids: `masked` are never sampled."""
        valid = torch.ones(size, dtype=torch.bool)
        valid[[*masked]] = False
        at_end = torch.zeros(size, dtype=torch.bool)
        at_end[[*ends]] = True
        return cls(size, valid.to(device) if masked else None, at_end.to(device))


@dataclass(frozen=True)
class Settings:
    """What the next token of every lane is chosen with."""

    alphas: Mapping[str, float]
    sampling: Sampling
    top: int
    breakers: frozenset[int] = frozenset()
    """The ids that no repetition goes across."""
    grid: tuple[float, ...] | None = None
    """The αs at which replies that are sampled for a sweep are measured; None: as in a chat."""
    amplify_first: int | None = None
    """How many tokens are amplified, the others being at α = 0; None: all."""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Settings:
        """From what the main environment sends."""
        return cls(
            message["alphas"],
            Sampling.model_validate(message["sampling"]),
            message["top"],
            frozenset(message["breakers"]),
            message.get("grid"),
            message.get("amplify_first"),
        )


@dataclass
class Lane:
    """A request of vLLM's: `said` is its own list of the tokens so far, first of all `forced`."""

    name: str
    seed: int
    turn: int
    alpha: float
    start: int
    """How many of the last ids of the prompt are the first of the reply."""
    forced: Sequence[int]
    prompt: Sequence[int]
    said: Sequence[int]
    _history: History | None = field(default=None, repr=False)

    @property
    def index(self) -> int:
        """The position of its next token in the reply."""
        return self.start + len(self.said)

    @property
    def given(self) -> int | None:
        """Its next token, if that is not to be chosen."""
        return self.forced[len(self.said)] if len(self.said) < len(self.forced) else None

    def is_plain(self, settings: Settings) -> bool:
        """Whether its next token is past those that are amplified."""
        first = settings.amplify_first
        return first is not None and len(self.said) >= first

    def alpha_at(self, settings: Settings) -> float:
        """The α of its next token."""
        return 0.0 if self.is_plain(settings) else settings.alphas.get(self.name, self.alpha)

    @property
    def history(self) -> History:
        """What stands before its next token."""
        if self._history is None:
            self._history = History(self.prompt)
        for token in self.said[len(self._history.ids) - len(self.prompt) :]:
            self._history.add(token)
        return self._history


class LaneRows:
    """Chooses and measures, row by row; what a step needs again is kept."""

    def __init__(self, shared: SharedIds) -> None:
        self._shared = shared
        self._noise: Noise | None = None
        self._keys: list[tuple[int, int]] = []

    def choose(
        self, logits: tuple[Tensor, Tensor], lanes: Sequence[Lane], settings: Settings
    ) -> tuple[Tensor, list[list[float]]]:
        """The next token (R,) of `lanes` and the numbers of `measure`, from logits (R, V).

        Given tokens are measured only.
        """
        tokens = torch.empty(len(lanes), dtype=torch.int64, device=logits[0].device)
        rows: list[list[float]] = [[] for _ in lanes]
        given = [n for n, lane in enumerate(lanes) if lane.given is not None]
        free = [n for n, lane in enumerate(lanes) if lane.given is None]
        for part, chosen in ((given, False), (free, True)):
            if not part:
                continue
            # Nearly always all rows: then nothing is copied.
            sides = logits if len(part) == len(lanes) else (logits[0][part], logits[1][part])
            token, numbers = self._choose(sides, [lanes[n] for n in part], settings, chosen)
            tokens[part] = token
            for n, row in zip(part, numbers.tolist(), strict=True):
                rows[n] = row
        return tokens, rows

    @torch.inference_mode()
    def _choose(
        self,
        logits: tuple[Tensor, Tensor],
        lanes: Sequence[Lane],
        settings: Settings,
        chosen: bool,
    ) -> tuple[Tensor, Tensor]:
        shared, device = self._shared, logits[0].device
        sides = logits[0][:, : shared.size], logits[1][:, : shared.size]
        alphas = [[lane.alpha_at(settings)] for lane in lanes]
        alpha = torch.tensor(alphas, dtype=torch.float32, device=device)
        filters = Filters.of(settings.sampling)
        repeated = None
        if chosen and filters.penalties is not None:
            histories = [lane.history for lane in lanes]
            repeated = Repeated.of(filters.penalties, histories, settings.breakers, sides[1])
        keys = [(lane.seed, lane.turn) for lane in lanes]
        indices = [lane.index for lane in lanes]
        if settings.grid is not None:
            plain = None
            if settings.amplify_first is not None:
                plain = torch.tensor([[lane.is_plain(settings)] for lane in lanes], device=device)
            noise, index = self._noise_of(keys, device), torch.tensor(indices, device=device)
            grid = GridLogProbs(shared, settings.grid, filters)
            numbers = grid.choose(sides, alpha, index, noise, plain, repeated, settings.top)
            return numbers[:, 0].long(), numbers
        given = None if chosen else torch.tensor([lane.given for lane in lanes], device=device)
        alike = len({*indices}) == 1 and len({*keys}) == 1
        return choose(
            sides,
            shared.valid,
            alpha,
            filters,
            self._noise_of(keys[:1] if alike else keys, device),
            indices[0] if alike else torch.tensor(indices, device=device),
            settings.top,
            given,
            shared.ends,
            repeated,
        )

    def _noise_of(self, keys: list[tuple[int, int]], device: torch.device) -> Noise:
        """The noise of these (seed, turn), a row each."""
        if self._noise is None or len(keys) != len(self._keys):
            self._noise = Noise(keys, self._shared.size, device)
        elif other := [n for n, key in enumerate(keys) if key != self._keys[n]]:
            self._noise.replace(other, [keys[n] for n in other])
        self._keys = keys
        return self._noise

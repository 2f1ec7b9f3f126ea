"""The rows of one batch, a reply each: rows that can be replaced, and rows that cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.pair_runner import CacheUses, PairRunner
from logit_amp_chat.core.decoding.ragged_pass import RaggedPass
from logit_amp_chat.core.models.layers.kv_cache import KVCache
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side import ForwardPass
from logit_amp_chat.core.records import PromptIds


@dataclass(frozen=True)
class ReadIds:
    """The ids of a prompt that was read: the caches of its passes, and what follows it.

    `logits` are before's and after's (1, V). Nothing else uses the caches of `runner`.
    """

    runner: PairRunner
    logits: tuple[Tensor, Tensor]

    @property
    def forwards(self) -> list[ForwardPass]:
        """The forward passes that read it: one for both sides, or one each."""
        return [caches.side for caches in self.runner.live]

    @property
    def caches(self) -> list[KVCache]:
        """The cache of each of them."""
        return [live.cache for caches in self.runner.live if (live := caches.live)]

    @property
    def lengths(self) -> list[int]:
        """The tokens that each of them has read."""
        return [len(live.rows[0]) for caches in self.runner.live if (live := caches.live)]


def read_ids(pair: Pair, uses: CacheUses, ids: PromptIds) -> Iterator[ReadIds | None]:
    """Read a prompt into caches of its own; yields None after every part, and it at the end."""
    runner = PairRunner(pair, uses)
    for _ in runner.prefill(ids, ()):
        yield None
    before, after = runner.logits
    yield ReadIds(runner, (before, after))


class Rows(Protocol):
    """Replies that are decoded together; row n is that of the n-th prompt that it began with."""

    def decode(self, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Decode one token a row (R,); returns before's and after's next logits (R, V)."""


class LockstepRows:
    """Rows of one prompt that began together, and keep their places until all have ended."""

    def __init__(self, prompt: ReadIds, rows: int) -> None:
        self._runner = prompt.runner
        self._runner.expand(rows)

    def decode(self, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Decode one token a row (R,); returns before's and after's next logits (R, V)."""
        logits = self._runner.decode(torch.tensor(tokens))
        self._runner.append_tokens(tokens)
        return logits


class RaggedRows:
    """Rows of different lengths, each of which can be replaced by another prompt.

    Only for passes that `rows_guard` allows.
    """

    def __init__(self, prompts: Sequence[ReadIds]) -> None:
        self._passes = [
            RaggedPass(side, [p.caches[n] for p in prompts], [p.lengths[n] for p in prompts])
            for n, side in enumerate(prompts[0].forwards)
        ]

    def replace(self, row: int, prompt: ReadIds) -> None:
        """Let a row begin anew, with a prompt."""
        for one, cache, length in zip(self._passes, prompt.caches, prompt.lengths, strict=True):
            one.replace(row, cache, length)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""
        for one in self._passes:
            one.keep(rows)

    def decode(self, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Decode one token a row (R,); returns before's and after's next logits (R, V)."""
        ids = torch.tensor(tokens).unsqueeze(-1)
        logits = [one.decode(ids) for one in self._passes]
        before, after = logits if len(logits) == 2 else logits[0].chunk(2)
        return before, after

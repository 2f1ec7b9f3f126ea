"""Rows of different lengths in one cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.models.layers.kv_cache import KVCache, forget_first, replace_row, with_rows
from logit_amp_chat.core.models.side import ForwardPass


class RaggedPass:
    """Rows of different lengths in one forward pass, each of which can be replaced.

    All rows end at the same cell of the cache, where the next tokens go; what is before the
    first token of a row is masked. The cache begins where the longest row does. Distances of
    cells are those of positions, so that sliding windows are right.
    """

    def __init__(
        self, side: ForwardPass, caches: Sequence[KVCache], lengths: Sequence[int]
    ) -> None:
        self._side = side
        self._cache = with_rows(caches)
        self._lengths = [*lengths]
        self._cells = max(lengths)

    @torch.inference_mode()
    def replace(self, row: int, cache: KVCache, length: int) -> None:
        """Let a row hold the `length` tokens of a cache that has one text."""
        replace_row(self._cache, row, cache)
        self._lengths[row] = length
        self._cells = max(self._cells, length)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""
        count = len(self._lengths)
        places = [side * count + row for side in range(self._side.width) for row in rows]
        self._cache.reorder_cache(torch.tensor(places))
        self._lengths = [self._lengths[row] for row in rows]

    def decode(self, ids: Tensor) -> Tensor:
        """Decode one token a row, ids (R, 1); returns the next logits (sides · R, V)."""
        if surplus := self._cells - max(self._lengths):
            forget_first(self._cache, surplus)
        self._cells = max(self._lengths) + 1
        start: int | Tensor = self._lengths[0]
        mask = None
        if len(set(self._lengths)) > 1:
            start = torch.tensor(self._lengths).unsqueeze(-1)
            cells = torch.arange(self._cells)
            mask = (cells >= self._cells - 1 - start).long()
        self._lengths = [length + 1 for length in self._lengths]
        return self._side.logits(ids, self._cache, 1, start, mask)[:, -1]

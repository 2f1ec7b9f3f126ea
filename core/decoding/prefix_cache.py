"""KV caches kept from turn to turn, so that a prompt prefills only what is new."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.models.layers.kv_cache import GrowingLayer, KVCache, with_layers
from logit_amp_chat.core.models.side import ForwardPass

# The last two replies: enough to find the prompt cached when regenerating or
# comparing, and memory stays bounded.
DEPTH = 2


@dataclass
class CachedPrefix:
    """A cache with rows of equal length, and the token ids in each lane's row.

    One that is `aside` is never used for a reply.
    """

    cache: KVCache
    rows: list[list[int]]
    aside: bool = False


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading ids two sequences share."""
    for n, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return n
    return min(len(a), len(b))


class PrefixCache:
    """The caches of one forward pass; call `open`, `prefill`, `expand`, `decode` …, `keep`.

    A lane has one cache row, or two with shared weights: all of before's, then all of after's.
    """

    def __init__(self, side: ForwardPass) -> None:
        self._side = side
        self._kept: list[CachedPrefix] = []
        self._aside: list[CachedPrefix] = []  # at most one
        self._live: CachedPrefix | None = None
        self._pending: list[int] = []

    def clear(self) -> None:
        """Forget everything, including what is being decoded."""
        self.forget_kept()
        self._live = None

    def forget_kept(self) -> None:
        """Forget all but what is being decoded."""
        self._kept.clear()
        self._aside.clear()

    def open(self, ids: Sequence[int], most: int, aside: bool = False) -> int:
        """Open the longest cached prefix of `ids`, at most `most` tokens long.

        With `aside` the result is kept for the next such call only: what later calls
        without it find does not depend on it. Returns how many tokens are left to prefill.
        """
        best, length = None, 0
        for kept in [*self._kept, *self._aside] if aside else self._kept:
            for row, held in enumerate(kept.rows):
                shared = min(common_prefix(held, ids), most)
                if shared > length:
                    best, length = (kept, row), shared
        if best is None:
            self._live = CachedPrefix(self._side.new_cache(), [[]])
        else:
            self._live = self._cut(*best, length)
        self._live.aside = aside
        self._pending = list(ids[length:])
        return len(self._pending)

    def _cut(self, kept: CachedPrefix, row: int, length: int) -> CachedPrefix:
        """A copy of one lane's first `length` tokens; the original is unchanged."""
        cache = with_layers(
            kept.cache,
            [
                layer.detached() if isinstance(layer, GrowingLayer) else copy.copy(layer)
                for layer in kept.cache.layers
            ],
        )
        if (lanes := len(kept.rows)) > 1:
            cache.reorder_cache(torch.arange(self._side.width) * lanes + row)
        surplus = len(kept.rows[row]) - length
        if surplus:
            cache.crop(-surplus)
        return CachedPrefix(cache, [kept.rows[row][:length]])

    def prefill(self, wanted: int, chunk: int) -> Iterator[tuple[int, Tensor]]:
        """Prefill in chunks; yields (tokens prefilled, logits of those among the last `wanted`).

        Logits are (sides, up to `wanted`, V), empty for chunks that end before these.
        """
        live = self._require()
        size = len(self._pending)
        for begin in range(0, size, chunk):
            part = self._pending[begin : begin + chunk]
            keep = max(0, min(len(part), begin + len(part) - (size - wanted)))
            logits = self._side.logits(torch.tensor([part]), live.cache, max(1, keep))
            live.rows[0].extend(part)
            yield len(part), logits if keep else logits[:, :0]

    def expand(self, lanes: int) -> None:
        """Give every lane its own row (two with shared weights)."""
        live = self._require()
        if lanes > 1:
            live.cache.reorder_cache(torch.arange(self._side.width).repeat_interleave(lanes))
            live.rows = [list(live.rows[0]) for _ in range(lanes)]

    @property
    def live(self) -> CachedPrefix | None:
        """The cache that is being decoded, if any."""
        return self._live

    @property
    def width(self) -> int:
        """Cache rows per lane."""
        return self._side.width

    def decode(self, tokens: Tensor) -> Tensor:
        """Decode one token per lane (R,); returns the next logits (sides · R, V)."""
        live = self._require()
        return self._side.logits(tokens.unsqueeze(-1), live.cache, 1)[:, -1]

    def append_tokens(self, tokens: Sequence[int]) -> None:
        """Note the tokens that the last step decoded, one per lane."""
        for row, token in zip(self._require().rows, tokens, strict=True):
            row.append(token)

    def keep(self) -> None:
        """Keep the decoded cache for the next request, if its prefixes can be reused."""
        live, self._live = self._live, None
        if live is None or not live.rows[0] or not self._side.croppable(live.cache):
            return
        if live.aside:
            self._aside = [live]
        else:
            self._kept = [live, *self._kept][:DEPTH]

    def _require(self) -> CachedPrefix:
        if self._live is None:
            raise RuntimeError("open() comes first")
        return self._live

"""KV caches kept from turn to turn, so that a prompt prefills only what is new."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.models.layers.kv_cache import KVCache, can_be_cut, detached
from logit_amp_chat.core.models.side import ForwardPass

# The last two replies: enough to find the prompt cached when regenerating or
# comparing, and memory stays bounded.
DEPTH = 2


@dataclass
class CachedPrefix:
    """A cache with rows of equal length, and the token ids in each lane's row.

    `cache` is None for a model that is run without one. `long` says that the states are
    those of a text beyond the model's rope switch. `place` is the length held as a tensor
    on the device, where captured steps count it. One that is `aside` is never used for a reply.
    """

    cache: KVCache | None
    rows: list[list[int]]
    long: bool = False
    aside: bool = False
    place: Tensor | None = None

    @property
    def length(self) -> int | Tensor:
        """Tokens held."""
        return len(self.rows[0]) if self.place is None else self.place


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading ids two sequences share."""
    for n, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return n
    return min(len(a), len(b))


class PrefixCache:
    """The caches of one forward pass; call `open`, `prefill`, `expand`, `decode` …, `keep`.

    A lane has one cache row, or two with shared weights: all of before's, then all of after's.
    Where `use` does not allow lanes in one pass, each has a cache of its own.
    """

    def __init__(self, side: ForwardPass, use: CacheUse = CacheUse.TURNS) -> None:
        self.side = side
        self.use = use if side.takes_cache else CacheUse.NONE
        self._kept: list[CachedPrefix] = []
        self._aside: list[CachedPrefix] = []  # at most one
        self._live: list[CachedPrefix] = []  # one, or one for each lane
        self._ids: list[int] = []
        self._parts: list[tuple[int, int]] = []

    def clear(self) -> None:
        """Forget everything, including what is being decoded."""
        self.forget_kept()
        self._live = []

    def forget_kept(self) -> None:
        """Forget all but what is being decoded."""
        self._kept.clear()
        self._aside.clear()

    def open(self, ids: Sequence[int], wanted: int, aside: bool = False) -> int:
        """Continue the longest kept prefix of `ids` that leaves the last `wanted` ids to prefill.

        What is read `aside` is for no reply: it is kept apart, and only requests aside
        find it, so that a reply's prefill and what it finds do not depend on it.
        Returns how many tokens are left to prefill.
        """
        self._ids, self._parts = list(ids), self._split(len(ids), wanted)
        end, first = self._parts[0]
        best, length = None, 0
        for kept in [*self._kept, *self._aside] if aside else self._kept:
            if kept.long != self._is_long(end):
                continue
            for row, held in enumerate(kept.rows):
                shared = min(common_prefix(held, ids), end - first)
                if shared > length:
                    best, length = (kept, row), shared
        live = self._empty(end) if best is None else self._cut(*best, length)
        live.aside = aside
        self._live = [live]
        return end - length + sum(later for later, _ in self._parts[1:])

    def prefill(self, chunk: int) -> Iterator[tuple[int, Tensor]]:
        """Prefill in chunks; yields (tokens prefilled, logits of those that were wanted).

        Logits are (sides, up to `wanted`, V), empty for chunks that end before these.
        """
        if self.use < CacheUse.CHUNKS:
            chunk = len(self._ids)
        for end, wanted in self._parts:
            live = self._only()
            if live.long != self._is_long(end):
                live = replace(self._empty(end), aside=live.aside)
                self._live = [live]
            yield from self._read(live, end, wanted, chunk)

    def expand(self, lanes: int) -> None:
        """Give every lane its own row (two with shared weights)."""
        live = self._only()
        if lanes == 1:
            return
        if self.use < CacheUse.LANES:
            self._live = [copy.deepcopy(live) for _ in range(lanes)]
            return
        assert live.cache is not None
        live.cache.reorder_cache(torch.arange(self.side.width).repeat_interleave(lanes))
        live.rows = [list(live.rows[0]) for _ in range(lanes)]

    @property
    def live(self) -> CachedPrefix | None:
        """The cache that is being decoded, if there is one for all lanes."""
        return self._live[0] if len(self._live) == 1 else None

    @property
    def width(self) -> int:
        """Cache rows per lane."""
        return self.side.width

    def decode(self, tokens: Tensor) -> Tensor:
        """Decode one token per lane (R,); returns the next logits (sides · R, V)."""
        if not self._live:
            raise RuntimeError("open() comes first")
        parts = torch.split(tokens, [len(live.rows) for live in self._live])
        logits = [self._step(live, part) for live, part in zip(self._live, parts, strict=True)]
        return logits[0] if len(logits) == 1 else torch.cat(logits)

    def append_tokens(self, tokens: Sequence[int]) -> None:
        """Note the tokens that the last step decoded, one per lane."""
        rows = [row for live in self._live for row in live.rows]
        for row, token in zip(rows, tokens, strict=True):
            row.append(token)

    def keep(self) -> None:
        """Keep the decoded cache for the next request, if its prefixes can be reused."""
        live, self._live = self.live, []
        if live is None or not live.rows[0] or self.use < CacheUse.TURNS:
            return
        if live.cache is None or not can_be_cut(live.cache):
            return
        if live.aside:
            self._aside = [live]
        else:
            self._kept = [live, *self._kept][:DEPTH]

    def _is_long(self, length: int) -> bool:
        """Whether a text of this length is read with the long frequencies."""
        return self.side.rope_switch is not None and length > self.side.rope_switch

    def _split(self, length: int, wanted: int) -> list[tuple[int, int]]:
        """(end, logits wanted) of the parts to read: two if these lie on both sides of the switch.

        A token's numbers are those of the text that ends with it.
        """
        switch, first = self.side.rope_switch, length - wanted + 1
        if switch is None or not first <= switch < length:
            return [(length, wanted)]
        return [(switch, switch - first + 1), (length, length - switch)]

    def _empty(self, length: int) -> CachedPrefix:
        """Nothing yet, of a text that will have `length` tokens."""
        cache = None if self.use == CacheUse.NONE else self.side.new_cache()
        return CachedPrefix(cache, [[]], self._is_long(length))

    def _cut(self, kept: CachedPrefix, row: int, length: int) -> CachedPrefix:
        """A copy of one lane's first `length` tokens; the original is unchanged."""
        cache = detached(kept.cache)
        if (lanes := len(kept.rows)) > 1:
            cache.reorder_cache(torch.arange(self.side.width) * lanes + row)
        surplus = len(kept.rows[row]) - length
        if surplus:
            cache.crop(-surplus)
        return CachedPrefix(cache, [kept.rows[row][:length]], kept.long)

    def _read(
        self, live: CachedPrefix, end: int, wanted: int, chunk: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Read up to `end`, in chunks; the first one passes the switch if the text does."""
        (row,) = live.rows
        while (begin := len(row)) < end:
            stop = begin + chunk
            if live.long:
                assert self.side.rope_switch is not None
                stop = max(stop, self.side.rope_switch + 1)
            part = self._ids[begin : min(stop, end)]
            keep = max(0, min(len(part), begin + len(part) - (end - wanted)))
            logits = self.side.logits(torch.tensor([part]), live.cache, max(1, keep), begin)
            row.extend(part)
            yield len(part), logits if keep else logits[:, :0]

    def _step(self, live: CachedPrefix, tokens: Tensor) -> Tensor:
        """The next logits of the lanes of one cache, after one token each."""
        crossed = self._is_long(len(live.rows[0]) + 1) != live.long
        if live.cache is not None and not crossed:
            ids = tokens.unsqueeze(-1)
            return self.side.logits(ids, live.cache, 1, live.length)[:, -1]
        if live.cache is not None:
            live.cache, live.long = self.side.new_cache(), True
        whole = [[*row, token] for row, token in zip(live.rows, tokens.tolist(), strict=True)]
        return self.side.logits(torch.tensor(whole), live.cache, 1, 0)[:, -1]

    def _only(self) -> CachedPrefix:
        if len(self._live) != 1:
            raise RuntimeError("open() comes first")
        return self._live[0]

"""Runs both sides over one conversation: separately, or in one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.decoding.streams import stream_for
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side import SharedWeights
from logit_amp_chat.core.records import PromptIds


@dataclass(frozen=True)
class CacheUses:
    """What the caches of each forward pass may be used for; `together` is both sides in one."""

    before: CacheUse = CacheUse.TURNS
    after: CacheUse = CacheUse.TURNS
    together: CacheUse = CacheUse.TURNS


ALL_USES = CacheUses()


class PairRunner:
    """Runs both sides and keeps their KV caches, so that a prompt prefills only what is new.

    The caches depend on tokens alone, not on α, temperature or filters.
    """

    def __init__(self, pair: Pair, uses: CacheUses = ALL_USES) -> None:
        self.uses = uses
        together = uses.together > CacheUse.NONE and pair.before.takes_cache
        shared = SharedWeights.of(pair.before, pair.after) if together else None
        self._device = pair.device
        self._apart = (PrefixCache(pair.before, uses.before), PrefixCache(pair.after, uses.after))
        self._together = PrefixCache(shared, uses.together) if shared else None
        self._live: tuple[PrefixCache, ...] = self._apart
        self.logits: list[Tensor] = []

    @property
    def caches(self) -> tuple[PrefixCache, ...]:
        """Every prefix cache, in use or not."""
        return (*self._apart, self._together) if self._together else self._apart

    @property
    def live(self) -> tuple[PrefixCache, ...]:
        """The prefix caches of the conversation that is being decoded."""
        return self._live

    def forget(self) -> None:
        """Drop every cached prefix."""
        for caches in self.caches:
            caches.clear()

    def forget_kept(self) -> None:
        """Drop what was kept for later requests, but not what is being decoded."""
        for caches in self.caches:
            caches.forget_kept()

    def prefill(
        self, prompt: PromptIds, forced: tuple[int, ...], aside: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Prefill the prompt and the forced tokens; yields (tokens done, tokens in all).

        Afterwards `logits` are before's and after's, (1 + forced, V) each: one row
        for each token that follows the prompt. With `aside` no reply uses these caches.
        """
        together = self._together if prompt.before == prompt.after else None
        self._live = (together,) if together else self._apart
        wanted = len(forced) + 1
        prompts = (prompt.before + forced, prompt.after + forced)
        total = sum(
            caches.open(ids, wanted, aside)
            # one cache for both: one prompt
            for caches, ids in zip(self._live, prompts, strict=False)
        )
        done, self.logits, chunk = 0, [], prefill_chunk(self._device)
        for caches in self._live:
            parts: list[Tensor] = []
            for read, part in caches.prefill(chunk):
                done += read
                parts.append(part)
                yield done, total
            self.logits += torch.cat(parts, dim=1)[:, -wanted:].unbind()

    def read(self, ids: PromptIds, wanted: int, chunk: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Read a text from empty caches; yields before's and after's logits (n, V), in blocks.

        They are those of the last `wanted` ids, of a pass in chunks of `chunk` ids. Nothing is
        kept, and what is kept is not used.
        """
        together = self._together if ids.before == ids.after else None
        if together:
            for logits in read_text(together, ids.after, wanted, chunk):
                yield logits[0], logits[1]
            return
        streams = [
            (logits[0] for logits in read_text(caches, own, wanted, chunk))
            for caches, own in zip(self._apart, (ids.before, ids.after), strict=True)
        ]
        for before, after in in_step(streams):  # noqa: UP028 - a pair of them
            yield before, after

    def expand(self, lanes: int) -> None:
        """Give every lane its own cache rows."""
        for caches in self._live:
            caches.expand(lanes)

    def decode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Decode one token per lane (R,); returns before's and after's next logits (R, V)."""
        logits = [caches.decode(tokens) for caches in self._live]
        before, after = logits if len(logits) == 2 else logits[0].chunk(2)
        return before, after

    def decode_concurrently(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Like `decode`, on a GPU, with after's work on a second stream beside before's."""
        before, after = self._live
        current = torch.cuda.current_stream(self._device)
        aside = stream_for("after", self._device)
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            afters = after.decode(tokens)
        befores = before.decode(tokens)
        current.wait_stream(aside)
        return befores, afters

    def append_tokens(self, tokens: Sequence[int]) -> None:
        """Note the tokens that the last step decoded, one per lane."""
        for caches in self._live:
            caches.append_tokens(tokens)

    def keep(self) -> None:
        """Keep the decoded caches for the next request."""
        for caches in self._live:
            caches.keep()


def read_text(
    caches: PrefixCache, ids: tuple[int, ...], wanted: int, chunk: int
) -> Iterator[Tensor]:
    """The logits (sides, n, V) of the last `wanted` ids, block by block, from empty caches.

    In one pass no cache is needed.
    """
    fresh = PrefixCache(caches.side, caches.use if len(ids) > chunk else CacheUse.NONE)
    fresh.open(ids, wanted)
    for _, logits in fresh.prefill(chunk):
        if logits.shape[1]:
            yield logits


def in_step(streams: Sequence[Iterator[Tensor]]) -> Iterator[tuple[Tensor, ...]]:
    """Blocks (n, V) of equal length from streams that are cut at different places."""
    left = [next(stream, None) for stream in streams]
    while blocks := [block for block in left if block is not None]:
        n = min(map(len, blocks))
        yield tuple(block[:n] for block in blocks)
        left = [
            block[n:] if len(block) > n else next(stream, None)
            for block, stream in zip(blocks, streams, strict=True)
        ]


def prefill_chunk(device: torch.device) -> int:
    """Tokens per prefill chunk: few on a CPU, so that progress shows early.

    A GPU is fast, and dequantizes 4-bit weights for every chunk.
    """
    return 1024 if device.type == "cuda" else 256

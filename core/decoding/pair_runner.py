"""Both sides read one conversation: each on its own, or in one forward where that can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side import SharedWeights
from logit_amp_chat.core.records import PromptIds


class PairRunner:
    """Caches of what was read stay, so that the next prompt reads only what is new.

    They depend on tokens alone: changing α, temperature or filters costs nothing.
    """

    def __init__(self, pair: Pair) -> None:
        twins = SharedWeights.of(pair.before, pair.after)
        self._device = pair.device
        self._beside: torch.cuda.Stream | None = None
        self._apart = (PrefixCache(pair.before), PrefixCache(pair.after))
        self._together = PrefixCache(twins) if twins else None
        self._live: tuple[PrefixCache, ...] = self._apart
        self.logits: list[Tensor] = []

    @property
    def caches(self) -> tuple[PrefixCache, ...]:
        """Everything that holds what was read."""
        return (*self._apart, self._together) if self._together else self._apart

    @property
    def live(self) -> tuple[PrefixCache, ...]:
        """What holds the conversation that is being decoded."""
        return self._live

    def forget(self) -> None:
        """Drop every cached prefix."""
        for caches in self.caches:
            caches.clear()

    def forget_kept(self) -> None:
        """Drop what was kept for requests to come, but not what is being decoded."""
        for caches in self.caches:
            caches.forget_kept()

    def read(self, prompt: PromptIds, forced: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """Read the prompt and what is forced; yields how many tokens were read, and of how many.

        Afterwards `logits` are before's and after's, (1 + forced, V) each: a row
        for every token that follows the prompt.
        """
        together = self._together if prompt.before == prompt.after else None
        self._live = (together,) if together else self._apart
        wanted = len(forced) + 1
        prompts = (prompt.before + forced, prompt.after + forced)
        total = sum(
            caches.start(ids, len(ids) - wanted)
            for caches, ids in zip(self._live, prompts, strict=False)
        )
        done, self.logits, chunk = 0, [], _chunk(self._device)
        for caches in self._live:
            parts: list[Tensor] = []
            for read, part in caches.read(wanted, chunk):
                done += read
                parts.append(part)
                yield done, total
            self.logits += torch.cat(parts, dim=1)[:, -wanted:].unbind()

    def spread(self, lanes: int) -> None:
        """Give every lane its own rows."""
        for caches in self._live:
            caches.spread(lanes)

    def step(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Feed one token a lane (R,); before's and after's logits (R, V) of the next."""
        read = [caches.step(tokens) for caches in self._live]
        before, after = read if len(read) == 2 else read[0].chunk(2)
        return before, after

    def step_at_once(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The same on a GPU with after's work on a stream of its own, beside before's."""
        before, after = self._live
        current = torch.cuda.current_stream(self._device)
        if self._beside is None:
            self._beside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._beside.wait_stream(current)
        with torch.cuda.stream(self._beside):
            afters = after.step(tokens)
        befores = before.step(tokens)
        current.wait_stream(self._beside)
        return befores, afters

    def said(self, tokens: Sequence[int]) -> None:
        """Know which tokens were fed in the last step: one a lane."""
        for caches in self._live:
            caches.said(tokens)

    def release(self) -> None:
        """Keep what was decoded for the next request."""
        for caches in self._live:
            caches.release()


def _chunk(device: torch.device) -> int:
    """Tokens to read at once: few on a CPU, which is to say soon how far it is.

    A GPU is fast, and unpacks 4-bit weights for every chunk.
    """
    return 1024 if device.type == "cuda" else 256

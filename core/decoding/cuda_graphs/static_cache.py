"""KV caches at fixed addresses, as a captured step needs them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import StaticLayer

from logit_amp_chat.core.models.layers.kv_cache import GrowingLayer, KVCache, with_layers

# Smallest room in tokens; it doubles from there. A step attends over all of it.
LEAST_ROOM = 1024


def room_for(tokens: int) -> int:
    """Room, in tokens, of the smallest static cache that holds `tokens`."""
    return max(LEAST_ROOM, 1 << (tokens - 1).bit_length())


class StaticKVLayer(StaticLayer):  # type: ignore[misc]
    """Keys and values (R, heads, room, head size); one token is written at `place` (1,).

    transformers' own layers each count their tokens; these share one count, which
    the captured step advances.
    """

    def __init__(self, keys: Tensor, values: Tensor, place: Tensor) -> None:
        super().__init__(max_cache_len=keys.shape[-2])
        self.keys, self.values, self.cumulative_length = keys, values, place
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write (R, heads, 1, head size) at `place`; returns the whole room: the model masks it."""
        self.keys.index_copy_(2, self.cumulative_length, key_states)
        self.values.index_copy_(2, self.cumulative_length, value_states)
        return self.keys, self.values

    def get_seq_length(self) -> Tensor:
        """Tokens held: a () tensor on the device."""
        return self.cumulative_length[0]


class StaticKVCache:
    """The memory of one prefix cache's captured steps, for any number of rows and any room.

    All of them share one storage of the largest size, as only one decodes at a time.
    """

    def __init__(self, device: torch.device) -> None:
        self.place = torch.zeros(1, dtype=torch.int64, device=device)
        self._storage: list[tuple[Tensor, Tensor]] = []
        self._cells = 0

    def holds(self, rows: int, room: int) -> bool:
        """Whether the storage has space for `rows` rows of `room` tokens."""
        return rows * room <= self._cells

    def allocate(self, like: KVCache, rows: int, room: int) -> None:
        """Allocate new storage; graphs captured on the old one must not be launched any more."""
        self._storage, self._cells = [], 0  # free the old storage first
        cells = rows * room
        self._storage = [
            (_flat(layer.keys, cells), _flat(layer.values, cells)) for layer in like.layers
        ]
        self._cells = cells

    def view(self, like: KVCache, rows: int, room: int) -> KVCache:
        """A cache of `rows` rows with room for `room` tokens, on this storage."""
        layers = []
        for (keys, values), layer in zip(self._storage, like.layers, strict=True):
            own_keys = _shaped(keys, layer.keys, rows, room)
            own_values = _shaped(values, layer.values, rows, room)
            layers.append(StaticKVLayer(own_keys, own_values, self.place))
        return with_layers(like, layers)


def fill(fixed: KVCache, held: KVCache, lanes: int) -> None:
    """Copy each row of `held` into `lanes` rows of `fixed`: (sides, …) to (sides · lanes, …).

    The rest is zeroed: masked values are still multiplied by 0, and 0 · NaN is NaN.
    """
    for mine, theirs in zip(fixed.layers, held.layers, strict=True):
        for to, what in ((mine.keys, theirs.keys), (mine.values, theirs.values)):
            length = what.shape[-2]
            to[..., :length, :] = what.repeat_interleave(lanes, dim=0)
            to[..., length:, :] = 0


def taken(fixed: KVCache, length: int) -> KVCache:
    """A growing cache of the first `length` tokens, in its own memory."""
    return with_layers(
        fixed,
        [
            GrowingLayer.of(
                layer.keys[..., :length, :].clone(), layer.values[..., :length, :].clone()
            )
            for layer in fixed.layers
        ],
    )


def can_be_fixed(cache: KVCache | None) -> bool:
    """Whether there is a cache, prefilled, that holds nothing but keys and values."""
    return cache is not None and all(
        type(layer) is GrowingLayer and layer.is_initialized for layer in cache.layers
    )


def is_fixed(cache: KVCache) -> bool:
    """Whether a cache is a static one."""
    return all(type(layer) is StaticKVLayer for layer in cache.layers)


def _flat(like: Tensor, cells: int) -> Tensor:
    _, heads, _, size = like.shape
    return like.new_empty(cells * heads * size)


def _shaped(flat: Tensor, like: Tensor, rows: int, room: int) -> Tensor:
    _, heads, _, size = like.shape
    return flat[: rows * heads * room * size].view(rows, heads, room, size)

"""Caches at addresses that stay, so that a recorded step finds them again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import StaticLayer

from logit_amp_chat.core.models.layers.kv_cache import GrowingLayer, KVCache, with_layers

# Tokens a recorded step reads at least; then twice as many, and so on.
LEAST_ROOM = 1024


def room_for(tokens: int) -> int:
    """Tokens of the smallest cache that holds `tokens`."""
    return max(LEAST_ROOM, 1 << (tokens - 1).bit_length())


class StaticKVLayer(StaticLayer):  # type: ignore[misc]
    """Keys and values (R, heads, room, head size); one token is written at `place` (1,).

    transformers' own counts tokens in every layer; here the layers share a count,
    which who records the step moves on.
    """

    def __init__(self, keys: Tensor, values: Tensor, place: Tensor) -> None:
        super().__init__(max_cache_len=keys.shape[-2])
        self.keys, self.values, self.cumulative_length = keys, values, place
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write (R, heads, 1, head size) at the place; returns everything, the model masks."""
        self.keys.index_copy_(2, self.cumulative_length, key_states)
        self.values.index_copy_(2, self.cumulative_length, value_states)
        return self.keys, self.values

    def get_seq_length(self) -> Tensor:
        """Tokens held: a tensor () on the device."""
        return self.cumulative_length[0]


class StaticKVCache:
    """The memory of one reader's recorded steps, whatever their rows and room.

    All of them use the same storage, as only one decodes at a time: it takes
    what the largest needs.
    """

    def __init__(self, device: torch.device) -> None:
        self.place = torch.zeros(1, dtype=torch.int64, device=device)
        self._storage: list[tuple[Tensor, Tensor]] = []
        self._cells = 0

    def holds(self, rows: int, room: int) -> bool:
        """Whether there is storage for so many rows of so many tokens."""
        return rows * room <= self._cells

    def allocate(self, like: KVCache, rows: int, room: int) -> None:
        """New storage; what was recorded with the old one must not be used any more."""
        self._storage, self._cells = [], 0  # before new memory is asked for
        cells = rows * room
        self._storage = [
            (_flat(layer.keys, cells), _flat(layer.values, cells)) for layer in like.layers
        ]
        self._cells = cells

    def view(self, like: KVCache, rows: int, room: int) -> KVCache:
        """A cache of `rows` rows with room for `room` tokens, on the storage."""
        layers = []
        for (keys, values), layer in zip(self._storage, like.layers, strict=True):
            own_keys = _shaped(keys, layer.keys, rows, room)
            own_values = _shaped(values, layer.values, rows, room)
            layers.append(StaticKVLayer(own_keys, own_values, self.place))
        return with_layers(like, layers)


def fill(fixed: KVCache, held: KVCache, lanes: int) -> None:
    """Give every lane a copy of what is held: (sides, …) to (sides · lanes, …).

    The rest is zeros: what is masked is multiplied with 0 all the same, and NaN would stay NaN.
    """
    for mine, theirs in zip(fixed.layers, held.layers, strict=True):
        for to, what in ((mine.keys, theirs.keys), (mine.values, theirs.values)):
            length = what.shape[-2]
            to[..., :length, :] = what.repeat_interleave(lanes, dim=0)
            to[..., length:, :] = 0


def taken(fixed: KVCache, length: int) -> KVCache:
    """A growing cache of the first `length` tokens, in memory of its own."""
    return with_layers(
        fixed,
        [
            GrowingLayer.of(
                layer.keys[..., :length, :].clone(), layer.values[..., :length, :].clone()
            )
            for layer in fixed.layers
        ],
    )


def can_be_fixed(cache: KVCache) -> bool:
    """Whether a cache that something was read into holds nothing but keys and values."""
    return all(type(layer) is GrowingLayer and layer.is_initialized for layer in cache.layers)


def is_fixed(cache: KVCache) -> bool:
    """Whether a cache is at a fixed address."""
    return all(type(layer) is StaticKVLayer for layer in cache.layers)


def _flat(like: Tensor, cells: int) -> Tensor:
    _, heads, _, size = like.shape
    return like.new_empty(cells * heads * size)


def _shaped(flat: Tensor, like: Tensor, rows: int, room: int) -> Tensor:
    _, heads, _, size = like.shape
    return flat[: rows * heads * room * size].view(rows, heads, room, size)

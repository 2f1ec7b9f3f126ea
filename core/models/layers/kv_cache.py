"""KV cache layers that grow without copying everything at each token."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache
from transformers.cache_utils import (
    DummyLayer,
    DynamicIndexedLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)

# transformers' caches, typed loosely, as transformers is.
KVCache = Any

# Spare room: at least this many tokens, and this share of the length, to amortize copying.
ROOM = 64
GROWTH = 0.5


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """A DynamicLayer with spare room: (R, heads, T, head size) views of a buffer.

    Concatenating at every token would copy the whole history each time. The
    room belongs to one layer: a layer that was cut, reordered or copied with
    `detached` allocates its own before it writes, so other layers keep their tokens.
    """

    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._room: tuple[Tensor, Tensor] | None = None
        self._begin = 0  # the cell of the room that the first token is in

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append (R, heads, new, head size); returns everything held."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        held = self.get_seq_length()
        length = held + key_states.shape[-2]
        if self._room is None or self._room[0].shape[-2] < self._begin + length:
            self._make_room(key_states, value_states, length)
        assert self._room is not None
        keys, values = (room[..., self._begin : self._begin + length, :] for room in self._room)
        keys[..., held:, :] = key_states
        values[..., held:, :] = value_states
        self.keys, self.values = keys, values
        return keys, values

    def forget_first(self, count: int) -> None:
        """Forget the first `count` tokens of every row."""
        self.keys, self.values = self.keys[..., count:, :], self.values[..., count:, :]
        self._begin += count

    def replace_row(self, row: int, keys: Tensor, values: Tensor) -> None:
        """Let a row hold (heads, n, head size) at its end, and zeros before them.

        If `n` is more than is held, every row gets zeros in front.
        """
        held, count = self.get_seq_length(), keys.shape[-2]
        if count > held:
            padding = (0, 0, count - held, 0)
            self.keys = functional.pad(self.keys, padding)
            self.values = functional.pad(self.values, padding)
            self._room = None
        if self._room is None:
            self._make_room(self.keys, self.values, max(held, count))
        for mine, theirs in ((self.keys, keys), (self.values, values)):
            first = mine.shape[-2] - count
            mine[row, :, :first] = 0
            mine[row, :, first:] = theirs

    def _make_room(self, keys: Tensor, values: Tensor, length: int) -> None:
        """A buffer of its own for `length` tokens like these, which begins with those held."""
        held = self.get_seq_length()
        room = _with_room(self.keys, keys, length), _with_room(self.values, values, length)
        self._room, self._begin = room, 0
        if held:
            self.keys, self.values = (part[..., :held, :] for part in room)

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last −`tokens_to_remove` tokens."""
        super().crop(tokens_to_remove)
        self._room = None

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Select rows; a row may be taken more than once."""
        super().reorder_cache(beam_idx)
        self._room = None

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._room = None

    @classmethod
    def of(cls, keys: Tensor, values: Tensor) -> GrowingLayer:
        """A layer that holds (R, heads, T, head size)."""
        layer = cls()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        return layer

    def detached(self) -> GrowingLayer:
        """A layer with the same tokens that will write to its own buffer."""
        layer = GrowingLayer()
        layer.__dict__.update(self.__dict__, _room=None)
        return layer


def _with_room(held: Tensor, new: Tensor, length: int) -> Tensor:
    """A buffer like `new` for `length` tokens and more, beginning with a copy of `held`."""
    rows, heads, _, size = new.shape
    room = new.new_empty(rows, heads, length + max(ROOM, int(length * GROWTH)), size)
    if held.numel():
        room[..., : held.shape[-2], :] = held
    return room


def new_cache(config: Any) -> KVCache:
    """An empty cache for a model with this configuration.

    Attention layers keep every token, even with a sliding window (the model's
    mask hides what is outside it), so a cache can be cut anywhere.
    """
    cache = DynamicCache(config=config)
    cache.layers = [
        GrowingLayer() if type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) else layer
        for layer in cache.layers
    ]
    return cache


def can_be_cut(cache: KVCache) -> bool:
    """Whether every layer holds one state per token, so that its last tokens can be forgotten.

    transformers calls recurrent and convolutional states croppable too; they are not.
    """
    kinds = (GrowingLayer, DynamicIndexedLayer, DummyLayer)
    return all(type(layer) in kinds for layer in cache.layers)


def detached(cache: KVCache) -> KVCache:
    """A cache with the same tokens; what is appended to it or cut from it leaves this one alone."""
    return with_layers(
        cache,
        [
            layer.detached() if isinstance(layer, GrowingLayer) else copy.copy(layer)
            for layer in cache.layers
        ],
    )


def with_layers(cache: KVCache, layers: list[Any]) -> KVCache:
    """A cache of the same kind with other layers."""
    other = copy.copy(cache)
    other.layers = layers
    return other


def can_replace_rows(cache: KVCache) -> bool:
    """Whether a row of every layer can be given the tokens of another text."""
    return all(type(layer) in (GrowingLayer, DummyLayer) for layer in cache.layers)


def with_rows(caches: Sequence[KVCache]) -> KVCache:
    """A cache with a row for each of `caches` (all of their first rows, then all second ones).

    Every row ends at the same place, and begins with zeros where another one is longer.
    """
    layers = []
    for parts in zip(*(cache.layers for cache in caches), strict=True):
        layer = parts[0]
        if isinstance(layer, GrowingLayer) and layer.is_initialized:
            keys, values = [p.keys for p in parts], [p.values for p in parts]
            layer = GrowingLayer.of(_aligned(keys), _aligned(values))
        layers.append(layer)
    return with_layers(caches[0], layers)


def _aligned(parts: Sequence[Tensor]) -> Tensor:
    """Rows (sides, heads, n, size) of different lengths, as (sides · R, heads, longest, size)."""
    longest = max(part.shape[-2] for part in parts)
    padded = [functional.pad(part, (0, 0, longest - part.shape[-2], 0)) for part in parts]
    return torch.stack(padded, dim=1).flatten(0, 1)


def replace_row(cache: KVCache, row: int, other: KVCache) -> None:
    """Let row `row` of a cache from `with_rows` hold the tokens of `other`, which has one text."""
    for layer, theirs in zip(cache.layers, other.layers, strict=True):
        if isinstance(layer, GrowingLayer) and layer.is_initialized:
            sides = len(theirs.keys)
            for side in range(sides):
                place = row + side * (len(layer.keys) // sides)
                layer.replace_row(place, theirs.keys[side], theirs.values[side])


def forget_first(cache: KVCache, count: int) -> None:
    """Forget the first `count` tokens of every row."""
    for layer in cache.layers:
        if isinstance(layer, GrowingLayer) and layer.is_initialized:
            layer.forget_first(count)

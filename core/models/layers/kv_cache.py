"""KV cache layers that grow without copying everything at each token."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor
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

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append (R, heads, new, head size); returns everything held."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        held = self.get_seq_length()
        length = held + key_states.shape[-2]
        if self._room is None or self._room[0].shape[-2] < length:
            self._room = (
                _with_room(self.keys, key_states, length),
                _with_room(self.values, value_states, length),
            )
        keys, values = self._room
        keys[..., held:length, :] = key_states
        values[..., held:length, :] = value_states
        self.keys, self.values = keys[..., :length, :], values[..., :length, :]
        return self.keys, self.values

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

"""How many replies are decoded at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.reply_rows import ReadIds
from logit_amp_chat.core.models.layers.kv_cache import KVCache
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.system.machine import available_ram

# Beyond these more rows give hardly more replies a second.
MOST_ROWS_CPU, MOST_ROWS = 64, 256
# Of the memory that is free.
SHARE = 0.5
# Copies of logits that choosing a token takes beside those of the grid.
COPIES = 10


def rows_that_fit(pair: Pair, prompt: ReadIds, longest: int, alphas: int) -> int:
    """How many replies of `longest` tokens, prompts included, fit into memory: at least one.

    `prompt` is one of theirs; `alphas` is the size of the grid.
    """
    on_cpu = pair.device.type == "cpu"
    most = MOST_ROWS_CPU if on_cpu else MOST_ROWS
    free = available_ram() if on_cpu else torch.cuda.mem_get_info(pair.device)[0]
    if free is None:
        return most
    held = sum(
        cache_bytes(cache) * longest / length
        for cache, length in zip(prompt.caches, prompt.lengths, strict=True)
    )
    # A row's room to grow, and its prompt, which is kept for the next reply.
    row = 2 * held + 4 * pair.size * (COPIES + alphas)
    return max(1, min(most, int(SHARE * free / row)))


def cache_bytes(cache: KVCache) -> int:
    """The bytes that a cache holds."""
    layers = cache.layers if cache is not None else []
    tensors = [tensor for layer in layers for tensor in _tensors(vars(layer))]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _tensors(held: dict[str, Any]) -> Iterator[Tensor]:
    return (value for value in held.values() if isinstance(value, Tensor))

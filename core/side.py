"""One loaded side: token ids and a cache in, fp32 logits out."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.cache import KVCache, new_cache

# transformers' models, typed loosely, as transformers is.
Model = Any


@dataclass(frozen=True)
class LoadedSide:
    """A model and, where it has adapters, which of them this side stands for.

    `adapter` None on a model with adapters (`shared`) means the bare weights.
    """

    model: Model
    adapter: str | None = None
    shared: bool = False

    @functools.cached_property
    def device(self) -> torch.device:
        """Where the token ids go in."""
        return torch.device(self.model.get_input_embeddings().weight.device)

    def new_cache(self) -> KVCache:
        """An empty cache for this side."""
        return new_cache(self.model.config)

    @staticmethod
    def croppable(cache: KVCache) -> bool:
        """Whether a prefix of this cache can be used again (not so for recurrent states)."""
        return bool(cache.is_croppable)

    @torch.inference_mode()
    def logits(self, ids: Tensor, cache: KVCache, last: int) -> Tensor:
        """fp32 logits (R, last, V) after reading ids (R, T); `cache` grows by T."""
        arguments: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
        if self._keeps_logits:
            arguments["logits_to_keep"] = last
        with self._adapter():
            out = self.model(input_ids=ids.to(self.device), **arguments)
        logits: Tensor = out.logits[:, -last:].float()
        return logits

    @functools.cached_property
    def _keeps_logits(self) -> bool:
        model = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return "logits_to_keep" in inspect.signature(type(model).forward).parameters

    @contextlib.contextmanager
    def _adapter(self) -> Iterator[None]:
        if not self.shared:
            yield
        elif self.adapter is None:
            with self.model.disable_adapter():
                yield
        else:
            if self.model.active_adapter != self.adapter:
                self.model.set_adapter(self.adapter)
            yield

"""Loaded models: token ids and a KV cache in, fp32 logits out."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from logit_amp_chat.core.models.layers.kv_cache import KVCache, new_cache
from logit_amp_chat.core.models.layers.lora import AdapterRows

# transformers' models, typed loosely, as transformers is.
Model = Any


@dataclass(frozen=True)
class LoadedSide:
    """A model and, if it has adapters, the one that this side stands for.

    `adapter` None on a model with adapters (`shared`) means the bare weights.
    `rows` sets which batch rows use which adapter; if None, PEFT switches adapters.
    """

    model: Model
    adapter: str | None = None
    shared: bool = False
    rows: AdapterRows | None = None

    width: ClassVar[int] = 1

    @functools.cached_property
    def device(self) -> torch.device:
        """The device that the token ids go to."""
        return torch.device(self.model.get_input_embeddings().weight.device)

    def new_cache(self) -> KVCache:
        """An empty cache for this side."""
        return new_cache(self.model.config)

    @staticmethod
    def croppable(cache: KVCache) -> bool:
        """Whether a prefix of this cache can be reused (not so for recurrent states)."""
        return bool(cache.is_croppable)

    def logits(self, ids: Tensor, cache: KVCache, last: int) -> Tensor:
        """fp32 logits (R, last, V) at the last positions of ids (R, T); `cache` grows by T."""
        with self._adapter():
            return self.forward(ids, cache, last)

    @torch.inference_mode()
    def forward(self, ids: Tensor, cache: KVCache, last: int) -> Tensor:
        """Like `logits`, with whichever adapters are active."""
        arguments: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
        if self._keeps_logits:
            arguments["logits_to_keep"] = last
        out = self.model(input_ids=ids.to(self.device), **arguments)
        logits: Tensor = out.logits[:, -last:].float()
        return logits

    @functools.cached_property
    def _keeps_logits(self) -> bool:
        model = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return "logits_to_keep" in inspect.signature(type(model).forward).parameters

    def part(self, rows: slice) -> tuple[tuple[slice, str], ...]:
        """The rows that go through this side's adapter, if it has one."""
        return ((rows, self.adapter),) if self.adapter else ()

    @contextlib.contextmanager
    def _adapter(self) -> Iterator[None]:
        if not self.shared:
            yield
        elif self.rows is not None:
            self.rows.parts = self.part(slice(None))
            yield
        elif self.adapter is None:
            with self.model.disable_adapter():
                yield
        else:
            if self.model.active_adapter != self.adapter:
                self.model.set_adapter(self.adapter)
            yield


@dataclass(frozen=True)
class SharedWeights:
    """Two sides of one model in one forward pass, which reads every weight once for both.

    Each row of ids becomes two batch rows: all of before's come first, then all of after's.
    """

    before: LoadedSide
    after: LoadedSide

    width: ClassVar[int] = 2

    @classmethod
    def of(cls, before: LoadedSide, after: LoadedSide) -> SharedWeights | None:
        """Both sides together, if they are rows of one model; else None."""
        one_model = before.model is after.model and before.rows is not None
        return cls(before, after) if one_model and before.rows is after.rows else None

    def new_cache(self) -> KVCache:
        """An empty cache for both sides."""
        return self.before.new_cache()

    @staticmethod
    def croppable(cache: KVCache) -> bool:
        """Whether a prefix of this cache can be reused."""
        return LoadedSide.croppable(cache)

    def logits(self, ids: Tensor, cache: KVCache, last: int) -> Tensor:
        """fp32 logits (2R, last, V) of both sides for ids (R, T); `cache` grows by T."""
        rows, count = self.before.rows, len(ids)
        assert rows is not None
        rows.parts = (
            *self.before.part(slice(0, count)),
            *self.after.part(slice(count, 2 * count)),
        )
        return self.before.forward(ids.repeat(2, 1), cache, last)


ForwardPass = LoadedSide | SharedWeights

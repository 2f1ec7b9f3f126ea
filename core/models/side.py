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
    """A model and, where it has adapters, which of them this side stands for.

    `adapter` None on a model with adapters (`shared`) means the bare weights.
    `rows` says for which rows adapters are in force; None: PEFT knows.
    """

    model: Model
    adapter: str | None = None
    shared: bool = False
    rows: AdapterRows | None = None

    width: ClassVar[int] = 1

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

    def logits(self, ids: Tensor, cache: KVCache, last: int) -> Tensor:
        """fp32 logits (R, last, V) after reading ids (R, T); `cache` grows by T."""
        with self._adapter():
            return self.forward(ids, cache, last)

    @torch.inference_mode()
    def forward(self, ids: Tensor, cache: KVCache, last: int) -> Tensor:
        """The same with whichever adapters are active."""
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
    """Two sides of one model in one forward pass: every weight is read once for both.

    A row of ids becomes two of the batch: all of before's, then all of after's.
    """

    before: LoadedSide
    after: LoadedSide

    width: ClassVar[int] = 2

    @classmethod
    def of(cls, before: LoadedSide, after: LoadedSide) -> SharedWeights | None:
        """Both sides together, where they are rows of one model; None otherwise."""
        one_model = before.model is after.model and before.rows is not None
        return cls(before, after) if one_model and before.rows is after.rows else None

    def new_cache(self) -> KVCache:
        """An empty cache for both."""
        return self.before.new_cache()

    @staticmethod
    def croppable(cache: KVCache) -> bool:
        """Whether a prefix of this cache can be used again."""
        return LoadedSide.croppable(cache)

    def logits(self, ids: Tensor, cache: KVCache, last: int) -> Tensor:
        """fp32 logits (2R, last, V) after both read ids (R, T); `cache` grows by T."""
        rows, count = self.before.rows, len(ids)
        assert rows is not None
        rows.parts = (
            *self.before.part(slice(0, count)),
            *self.after.part(slice(count, 2 * count)),
        )
        return self.before.forward(ids.repeat(2, 1), cache, last)


ForwardPass = LoadedSide | SharedWeights

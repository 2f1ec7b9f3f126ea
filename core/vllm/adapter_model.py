"""A model and the same model with a LoRA adapter, as one model of vLLM's that holds weights once.

vLLM puts its LoRA layers around the modules of after. Before has the same modules without them,
and attention layers of its own, as these own the KV cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from torch import Tensor, nn
from vllm.compilation.backends import set_model_tag
from vllm.config import VllmConfig
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


class AdapterPairForCausalLM(PairForCausalLM):
    """After is what requests with an adapter are computed by, before the model without it."""

    # What vLLM asks of a class that takes adapters; the model's own are taken over below.
    supports_lora: ClassVar[bool] = True
    packed_modules_mapping: ClassVar[Any] = {}
    embedding_modules: ClassVar[Any] = {}
    is_3d_moe_weight: ClassVar[Any] = False
    is_non_gated_moe: ClassVar[Any] = False
    lora_skip_prefixes: ClassVar[Any] = []
    lora_manager: ClassVar[Any] = None
    hf_to_vllm_mapper: ClassVar[Any] = WeightsMapper(
        orig_to_new_prefix={"model.": "after.model.", "lm_head.": "after.lm_head."}
    )

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
        # Not a part of this module: adapters go around after's alone.
        self._before = [before]
        self.attentions = nn.ModuleList(m for m in before.modules() if isinstance(m, Attention))
        self.make_empty_intermediate_tensors = self.after.make_empty_intermediate_tensors
        for name in ("packed_modules_mapping", "embedding_modules", "lora_skip_prefixes"):
            setattr(self, name, getattr(self.after, name, getattr(self, name)))

    @property
    def before(self) -> Any:
        """The model without adapters."""
        return self._before[0]

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Load the one copy of the weights."""
        read = told(weights, "after")
        return {f"after.{name}" for name in AutoWeightsLoader(self.after).load_weights(read)}

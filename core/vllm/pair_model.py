"""Two of vLLM's models as one: the same tokens, positions and block table for both sides.

So scheduling, paging, prefix cache, continuous batching and tensor parallelism are vLLM's own,
with attention layers of both sides in its KV cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig
from vllm.compilation.backends import set_model_tag
from vllm.config import VllmConfig
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader
from vllm.model_executor.models.utils import (
    AutoWeightsLoader,
    init_vllm_registered_model,
    maybe_prefix,
)

from logit_amp_chat.core.vllm.progress import told


class PairForCausalLM(nn.Module):
    """Both sides; what vLLM loads as the model is after.

    The configuration's `pair` (see `child.open_engine`) names before's folder, and the
    architecture of each side.
    """

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        pair = vllm_config.model_config.hf_config.pair
        config = AutoConfig.from_pretrained(
            pair["before"], trust_remote_code=vllm_config.model_config.trust_remote_code
        )
        # The tag keeps what is compiled for one side from being used for the other.
        with set_model_tag("after"):
            self.after = init_vllm_registered_model(
                vllm_config,
                architectures=[pair["architectures"][1]],
                prefix=maybe_prefix(prefix, "after"),
            )
        with set_model_tag("before"):
            self.before = init_vllm_registered_model(
                vllm_config,
                hf_config=config,
                architectures=[pair["architectures"][0]],
                prefix=maybe_prefix(prefix, "before"),
            )
        self.secondary_weights = [
            DefaultModelLoader.Source(pair["before"], revision=None, prefix="before.")
        ]
        self.make_empty_intermediate_tensors = self.after.make_empty_intermediate_tensors

    def get_model_state_cls(self) -> type[Any]:
        """What Model Runner V2 asks for: there the sampler is found."""
        from logit_amp_chat.core.vllm.v2_sampler import PairModelState

        return PairModelState

    def embed_input_ids(self, input_ids: Tensor) -> Tensor:
        """Part of vLLM's interface; a pair reads ids alone."""
        embedded: Tensor = self.after.embed_input_ids(input_ids)
        return embedded

    def forward(self, input_ids: Tensor, positions: Tensor, *_: object, **__: object) -> Tensor:
        """(tokens, before's width + after's): the last hidden states of both sides."""
        return torch.cat(
            (self.before(input_ids, positions), self.after(input_ids, positions)), dim=-1
        )

    def compute_logits(self, hidden_states: Tensor) -> Any:
        """After's logits (R, V), with before's as their attribute `before`.

        None on a rank of tensor parallelism that chooses no token.
        """
        width = self.before_width
        logits = self.after.compute_logits(hidden_states[:, width:])
        before = self.before.compute_logits(hidden_states[:, :width])
        if logits is not None:
            logits.before = before
        return logits

    @property
    def before_width(self) -> int:
        """The width of before's hidden states."""
        return int(self.before.config.get_text_config().hidden_size)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Load both sides; the names of before's begin with its prefix already."""
        read = told(weights, "after")
        named = ((n if n.startswith("before.") else f"after.{n}", w) for n, w in read)
        loaded: set[str] = AutoWeightsLoader(self).load_weights(named)
        return loaded

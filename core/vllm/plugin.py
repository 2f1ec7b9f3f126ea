"""The entry point by which every process of vLLM's learns of the pair."""

from __future__ import annotations


def register() -> None:
    """Name the model classes; only the workers import them."""
    from vllm import ModelRegistry

    ModelRegistry.register_model(
        "PairForCausalLM", "logit_amp_chat.core.vllm.pair_model:PairForCausalLM"
    )
    ModelRegistry.register_model(
        "AdapterPairForCausalLM", "logit_amp_chat.core.vllm.adapter_model:AdapterPairForCausalLM"
    )

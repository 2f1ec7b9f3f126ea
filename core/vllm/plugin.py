"""The entry point by which every process of vLLM's learns of the pair."""

from __future__ import annotations


def register() -> None:
    """Name the model class; only the workers import it."""
    from vllm import ModelRegistry

    ModelRegistry.register_model(
        "PairForCausalLM", "logit_amp_chat.core.vllm.pair_model:PairForCausalLM"
    )

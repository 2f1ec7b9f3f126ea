"""Tiny random models of every architecture that transformers can build for next-token prediction.

A configuration is made by rule: whichever of SMALL it knows is set, its sub-configurations
likewise; EXTRA holds what an architecture needs besides.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tests.models import VOCABULARY, tiny_tokenizer

LARGEST = 30_000_000
"""Parameters; what the rule cannot make smaller is left out."""

LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 8,
    "long_factor": [3.0 + n for n in range(8)],
    "original_max_position_embeddings": 32,
}

SMALL: dict[str, Any] = {
    # sizes
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "embedding_size"), 64),
    **dict.fromkeys(("word_embed_proj_dim", "dim_model", "hidden_size_per_layer_input"), 64),
    **dict.fromkeys(("intermediate_size", "n_inner", "d_ff", "ffn_dim", "ffn_hidden_size"), 128),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim", "dim_ff", "dff"), 128),
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), VOCABULARY),
    # layers and heads
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 4),
    **dict.fromkeys(("decoder_layers",), 4),
    **dict.fromkeys(("encoder_layers", "num_mtp_layers", "num_nextn_predict_layers"), 1),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), 4),
    "num_key_value_heads": 2,
    "head_dim": 16,
    **dict.fromkeys(("rotary_dim", "d_kv"), 16),
    # latent attention
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "v_head_dim"), 16),
    **dict.fromkeys(("qk_rope_head_dim",), 8),
    **dict.fromkeys(("index_n_heads",), 2),
    **dict.fromkeys(("index_head_dim",), 16),
    # experts
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token"), 2),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace"), 1),
    # recurrent states
    **dict.fromkeys(("mamba_n_heads", "mamba_num_heads", "linear_num_value_heads"), 4),
    **dict.fromkeys(("linear_num_key_heads",), 2),
    "linear_num_heads": 4,
    "linear_head_dim": 16,
    **dict.fromkeys(("mamba_d_head", "mamba_d_state", "mamba_chunk_size", "state_size"), 16),
    **dict.fromkeys(("mamba_head_dim", "linear_key_head_dim", "linear_value_head_dim"), 16),
    **dict.fromkeys(("chunk_size", "ssm_state_size", "lru_width"), 16),
    **dict.fromkeys(("mamba_n_groups", "n_groups"), 1),
    **dict.fromkeys(("mamba_expand", "expand"), 1),
    "lru_width": 64,
    # lengths
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx"), 512),
    **dict.fromkeys(("sliding_window", "window_size", "attention_window_size"), 16),
    **dict.fromkeys(("attention_chunk_size", "index_topk"), 24),
    # the rest
    "initializer_range": 0.15,
    "bos_token_id": 0,
    "eos_token_id": 4,
    "pad_token_id": 0,
    "is_decoder": True,
    "causal": True,
    "use_mamba_kernels": False,
}
# Set although the default is None.
ALWAYS = {
    *("bos_token_id", "eos_token_id", "pad_token_id", "head_dim"),
    *("num_key_value_heads", "num_experts_per_tok", "n_routed_experts"),
}

EXTRA: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1], "mamba_d_head": 16, "mamba_n_heads": 4},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16},
    "falcon": {"new_decoder_architecture": True, "num_kv_heads": 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2, "num_dense_layers": 1},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "bailing_hybrid": {"layer_group_size": 2},
    "kimi_linear": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "longcat_flash": {"head_dim": 8},
    "mamba2": {"num_heads": 4, "head_dim": 16, "expand": 1},
    "zaya": {"num_experts_per_tok": 1},
    "zamba2": {"layers_block_type": ["mamba", "hybrid"] * 2, "hybrid_layer_ids": [1, 3]},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "phi3": {"rope_parameters": LONGROPE, "original_max_position_embeddings": 32},
    "phimoe": {
        "rope_parameters": {**LONGROPE, "short_mscale": 1.2, "long_mscale": 1.4},
        "original_max_position_embeddings": 32,
    },
}


def architectures() -> list[str]:
    """The model types that AutoModelForCausalLM knows."""
    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def small_config(kind: str, **changed: Any) -> Any:
    """A small configuration. Raises whatever transformers raises where the rule does not do."""
    return _small(CONFIG_MAPPING[kind], {**EXTRA.get(kind, {}), **changed})


def _small(config_class: Any, extra: dict[str, Any]) -> Any:
    default = config_class()
    chosen: dict[str, Any] = {}
    for name, value in SMALL.items():
        try:
            usual = getattr(default, name)
        except Exception:  # not there, or different in every layer
            continue
        settable = not isinstance(getattr(config_class, name, None), property)
        if settable and (usual is not None or name in ALWAYS):
            chosen[name] = value
    if getattr(default, "qk_rope_head_dim", None):
        chosen.pop("head_dim", None)  # latent attention has no groups of heads
        chosen["num_key_value_heads"] = chosen["num_attention_heads"]
    for name, part in getattr(config_class, "sub_configs", {}).items():
        if isinstance(part, type) and hasattr(part, "sub_configs") and getattr(default, name, None):
            chosen[name] = _small(part, {})
    return config_class(**{**chosen, **extra})


def random_model(kind: str, seed: int, **changed: Any) -> Any:
    """A random model in float32. Raises ValueError if it would be too large."""
    config = small_config(kind, **changed)
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        sketch = transformers.AutoModelForCausalLM.from_config(config)
    size = sum(parameter.numel() for parameter in sketch.parameters())
    if size > LARGEST:
        raise ValueError(f"{size:,} parameters")
    torch.manual_seed(seed)
    return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def save_random_pair(kind: str, folder: Path, first_seed: int = 1, **changed: Any) -> None:
    """Two random models of one configuration, `before` and `after`, with a tokenizer each."""
    for seed, side in enumerate(("before", "after"), first_seed):
        random_model(kind, seed, **changed).save_pretrained(folder / side)
        tiny_tokenizer().save_pretrained(folder / side)

"""A tiny Llama as a GGUF file, as llama.cpp's converter writes one; needs the gguf package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

NORMAL, CONTROL = 1, 3  # token types


def save_gguf(
    path: Path,
    model: Any,
    tokenizer: Any,
    pre: str = "gpt-2",
    extra: Mapping[str, Tensor] = MappingProxyType({}),
    *,
    packed: bool = False,
) -> Path:
    """Write a Llama with its byte-level tokenizer, every tensor in 32 bits, and `extra` ones.

    With `packed`, matrices are in 8 bits (Q8_0).
    """
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, tokenizer, config, pre)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        weight = tensor.float().numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            weight = _interleaved(weight, heads)
        kind = gguf.GGMLQuantizationType.Q8_0 if packed and weight.ndim == 2 else None
        if kind is not None:
            weight = gguf.quants.quantize(weight, kind)
        name_there = names.get_name(name, try_suffixes=(".weight",))
        writer.add_tensor(name_there, weight, raw_dtype=kind)
    for name, tensor in extra.items():
        writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _interleaved(weight: Any, heads: int) -> Any:
    """Rows in the order of GGML's rotary embedding, which turns neighbours instead of halves."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape)


def _add_tokenizer(writer: Any, tokenizer: Any, config: Any, pre: str) -> None:
    spelled = {i: token for token, i in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    count = max(spelled) + 1
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([spelled[i] for i in range(count)])
    writer.add_token_types([CONTROL if i in added else NORMAL for i in range(count)])
    rules = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_token_merges([" ".join(merge) for merge in rules["merges"]])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_add_bos_token(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)

"""Models of any size that take no disk: the shapes of their weights, and a hole for the numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

from transformers import LlamaConfig

LLAMA_8B = {"hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
            "num_attention_heads": 32}  # fmt: skip
LLAMA_70B = {"hidden_size": 8192, "intermediate_size": 28_672, "num_hidden_layers": 80,
             "num_attention_heads": 64}  # fmt: skip
"""The shapes of Llama 3.1, as its model cards have them."""


def save_sparse_llama(folder: Path, shape: dict[str, int]) -> Path:
    """A Llama 3.1 of this shape in bfloat16, as it is downloaded."""
    config = LlamaConfig(**shape, num_key_value_heads=8, vocab_size=128_256,
                         max_position_embeddings=131_072, tie_word_embeddings=False,
                         dtype="bfloat16")  # fmt: skip
    config.save_pretrained(folder)
    index = {}
    for name, size in tensors(config).items():
        index[name] = f"{name}.safetensors"  # a file each: none is mapped that memory cannot hold
        length = 2 * math.prod(size)
        header = {name: {"dtype": "BF16", "shape": size, "data_offsets": [0, length]}}
        text = json.dumps(header).encode()
        with (folder / index[name]).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + length)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def tensors(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """The weights of a Llama by name."""
    wide, deep, vocabulary = config.hidden_size, config.intermediate_size, config.vocab_size
    heads, pairs = config.num_attention_heads, config.num_key_value_heads
    narrow = wide // heads * pairs
    layer = {
        "self_attn.q_proj": (wide, wide),
        "self_attn.k_proj": (narrow, wide),
        "self_attn.v_proj": (narrow, wide),
        "self_attn.o_proj": (wide, wide),
        "mlp.gate_proj": (deep, wide),
        "mlp.up_proj": (deep, wide),
        "mlp.down_proj": (wide, deep),
        "input_layernorm": (wide,),
        "post_attention_layernorm": (wide,),
    }
    layers = {
        f"model.layers.{n}.{name}.weight": size
        for n in range(config.num_hidden_layers)
        for name, size in layer.items()
    }
    ends = {"model.embed_tokens.weight": (vocabulary, wide), "lm_head.weight": (vocabulary, wide)}
    return layers | ends | {"model.norm.weight": (wide,)}

"""Random pairs in the shapes of well-known models, to measure speed without a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from logit_amp_chat.core.config.profile import Quantization
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.architecture import check_docstrings
from logit_amp_chat.core.models.layers.lora import with_rows
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side import LoadedSide, Model
from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.records import SideInfo


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder: rows of the head, widths, layers, attention heads."""

    vocabulary: int
    hidden: int
    mlp: int
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    tied: bool
    config: type[PretrainedConfig] = LlamaConfig


SHAPES = {
    "smollm2-135m": Shape(49_152, 576, 1536, 30, 9, 3, 64, True),
    "smollm2-360m": Shape(49_152, 960, 2560, 32, 15, 5, 64, True),
    "smollm2-1.7b": Shape(49_152, 2048, 8192, 24, 32, 32, 64, True),
    "llama-3.2-1b": Shape(128_256, 2048, 8192, 16, 32, 8, 64, True),
    "llama-3.2-3b": Shape(128_256, 3072, 8192, 28, 24, 8, 128, True),
    "llama-3.1-8b": Shape(128_256, 4096, 14_336, 32, 32, 8, 128, False),
    "qwen3-0.6b": Shape(151_936, 1024, 3072, 28, 16, 8, 128, True, Qwen3Config),
    "qwen3-4b": Shape(151_936, 2560, 9728, 36, 32, 8, 128, True, Qwen3Config),
    "qwen3-8b": Shape(151_936, 4096, 12_288, 36, 32, 8, 128, False, Qwen3Config),
}
CONTEXT = 8192
RANK = 16


def random_pair(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    quantization: Quantization = "none",
    *,
    lora: bool = False,
) -> Pair:
    """Two models of the shape `name` with random weights, quantized as a profile would be.

    With `lora`, one model and an adapter of rank 16 on every linear layer but the head.
    Raises PairError for an unknown shape and for int8.
    """
    check_docstrings()
    if name not in SHAPES:
        raise PairError(f"There is no shape {name}.", f"Choose one of {', '.join(SHAPES)}.")
    if quantization == "int8":
        raise PairError("Random weights cannot be int8.", "Use --quantization nf4 or none.")
    shape = SHAPES[name]
    seeds = (0,) if lora else (0, 1)
    made = [random_model(shape, seed, device, dtype, quantization) for seed in seeds]
    sides = _with_adapter(made[0]) if lora else [LoadedSide(model) for model in made]
    info = SideInfo(
        model=f"random {name}",
        revision=None,
        adapter=None,
        adapter_revision=None,
        dtype=str(dtype).removeprefix("torch."),
        quantization=quantization,
    )
    tokenizer = _tokenizer(shape.vocabulary)
    return Pair(
        before=sides[0],
        after=sides[1],
        tokenizer=tokenizer,
        template=None,
        size=shape.vocabulary,
        valid=None,
        end_of_turn=frozenset(),
        context=CONTEXT,
        device=device,
        token_bytes=TokenBytes(tokenizer),
        infos=(info, info),
    )


def random_model(
    shape: Shape, seed: int, device: torch.device, dtype: torch.dtype, quantization: Quantization
) -> Model:
    """A causal language model of this shape with weights from a seed."""
    config = shape.config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.mlp,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_size,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=shape.tied,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    if quantization == "nf4":
        _quantize(model, dtype)
    return model


def _with_adapter(model: Model) -> list[LoadedSide]:
    """Both sides of one model: bare, and with an adapter."""
    from peft import LoraConfig, get_peft_model

    # PEFT's own beginning is an update of zero, which would hide a wrong number.
    config = LoraConfig(r=RANK, target_modules="all-linear", init_lora_weights=False)
    found = with_rows(get_peft_model(model, config, adapter_name="after").eval())
    assert found is not None
    model, rows = found
    return [LoadedSide(model, name, shared=True, rows=rows) for name in (None, "after")]


def _quantize(model: nn.Module, dtype: torch.dtype) -> None:
    """NF4 with double quantization for every linear layer but the head, as transformers does it."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is not nn.Linear or name == "lm_head":
                continue
            layer: Any = Linear4bit(
                child.in_features,
                child.out_features,
                bias=child.bias is not None,
                compute_dtype=dtype,
                quant_type="nf4",
                device="meta",
            )
            kind = layer.weight.__dict__ | {"module": layer}
            weight = Params4bit(child.weight.data, requires_grad=False, **kind)
            layer.weight, layer.bias = weight.to(child.weight.device), child.bias
            setattr(parent, name, layer)


def _tokenizer(size: int) -> PreTrainedTokenizerFast:
    """One made-up word per id."""
    words = {f"word{n}": n for n in range(size)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="word0"))
    )

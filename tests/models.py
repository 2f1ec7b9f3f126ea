"""Tiny random models and tokenizers, saved as any model is, for the tests to load."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

VOCABULARY = 512
SPECIAL = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CORPUS = [
    "Otters eat fish and crabs. The sea is blue, the sun is warm.",
    "naïve café 日本語 🙂 привет, 12345 + 678 = ?",
    "the quick brown fox jumps over the lazy dog and then sleeps a little",
    # Enough syllables to fill the vocabulary to its last row.
    " ".join(a + b + c for a in "bdfgklm" for b in "aeiou" for c in ("nt", "rk", "st", "ll")),
] * 20

ARCHITECTURES = ("llama", "llama-tied", "qwen3", "gemma3", "gpt2")


@functools.cache
def _trained() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return str(tokenizer.to_str())


def tiny_tokenizer(template: str | None = TEMPLATE) -> Any:
    """A byte-level BPE of fewer than 512 tokens."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_trained()),
        eos_token="<|end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL,
    )
    tokenizer.chat_template = template
    return tokenizer


def tiny_model(architecture: str = "llama", seed: int = 0, rows: int = VOCABULARY) -> Any:
    """A random model of some 200 k parameters; every size is a multiple of 64.

    The initialization is wide, so that its distributions are far from flat.
    """
    torch.manual_seed(seed)
    common: dict[str, Any] = {
        "vocab_size": rows,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 64,
        "max_position_embeddings": 256,
        "initializer_range": 0.15,
        "tie_word_embeddings": False,
        "eos_token_id": 4,
        "bos_token_id": 0,
        "pad_token_id": 0,
    }
    match architecture:
        case "llama":
            return LlamaForCausalLM(LlamaConfig(**common)).eval()
        case "llama-tied":
            return LlamaForCausalLM(LlamaConfig(**common | {"tie_word_embeddings": True})).eval()
        case "qwen3":
            return Qwen3ForCausalLM(Qwen3Config(**common)).eval()
        case "qwen3-moe":
            experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
            return Qwen3MoeForCausalLM(Qwen3MoeConfig(**common | experts)).eval()
        case "gemma3":
            sliding = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
            config = Gemma3TextConfig(**common | sliding | {"tie_word_embeddings": True})
            return Gemma3ForCausalLM(config).eval()
        case "gpt2":
            return GPT2LMHeadModel(
                GPT2Config(
                    vocab_size=rows,
                    n_embd=64,
                    n_layer=2,
                    n_head=2,
                    n_positions=256,
                    initializer_range=0.15,
                    eos_token_id=4,
                    bos_token_id=0,
                )
            ).eval()
    raise ValueError(architecture)


def save_side(
    folder: Path,
    architecture: str = "llama",
    seed: int = 0,
    rows: int = VOCABULARY,
    template: str | None = TEMPLATE,
) -> Path:
    """Save a tiny model with its tokenizer; the same seed gives the same side."""
    tiny_model(architecture, seed, rows).save_pretrained(folder)
    tiny_tokenizer(template).save_pretrained(folder)
    return folder


def save_pair(folder: Path, architecture: str = "llama") -> tuple[Path, Path]:
    """A before and an after that are close, as two training stages are."""
    before = save_side(folder / "before", architecture, seed=1)
    model = tiny_model(architecture, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * weight.std() * 0.3)
    model.save_pretrained(folder / "after")
    tiny_tokenizer().save_pretrained(folder / "after")
    return before, folder / "after"


def save_adapter(base: Path, folder: Path, seed: int, **changed: Any) -> Path:
    """A LoRA adapter with random, non-zero weights for both of its factors."""
    from peft import LoraConfig, get_peft_model

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "up_proj"]}
    adapted = get_peft_model(model, LoraConfig(**settings | changed))
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(std=0.2)
    adapted.save_pretrained(folder)
    return folder

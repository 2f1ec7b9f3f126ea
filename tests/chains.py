"""Tiny chains of stages: three random models, or one with two adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile, Stage
from logit_amp_chat.core.config.stages import selected
from tests.models import save_adapter, save_side, tiny_model, tiny_tokenizer

NAMES = ("base", "sft", "dpo")


def chain(stages: dict[str, dict[str, Any]], **changed: Any) -> Profile:
    """A profile of stages, open at the first and the last."""
    found = tuple(Stage(name=name, **side) for name, side in stages.items())
    pair = found[0].side, found[-1].side
    profile = Profile(
        name="chain",
        title="a tiny chain",
        before=pair[0],
        after=pair[1],
        stages=found,
        dtype="float32",
        device="cpu",
        **changed,
    )
    return selected(profile, found[0].name, found[-1].name)


def three_stages(folder: Path, **changed: Any) -> Profile:
    """Three stages that are close to each other, each saved as a whole."""
    save_side(folder / "base", seed=1)
    for seed, name in enumerate(NAMES[1:], 2):
        save_moved(folder / name, seed)
    return chain({name: {"model": str(folder / name)} for name in NAMES}, **changed)


def save_moved(folder: Path, seed: int, rows: int = 512) -> Path:
    """The base with random changes of its weights."""
    model = tiny_model(seed=1, rows=rows)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * weight.std() * 0.3)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def adapter_stages(folder: Path, **changed: Any) -> Profile:
    """One model: bare, with a first adapter, with a second one."""
    base = save_side(folder / "base", seed=1)
    for seed, name in enumerate(NAMES[1:], 2):
        save_adapter(base, folder / name, seed)
    stages = {"base": {"model": str(base)}}
    stages |= {name: {"model": str(base), "adapter": str(folder / name)} for name in NAMES[1:]}
    return chain(stages, **changed)


def plain_log_probs(side: Any, ids: list[int], size: int, valid: Tensor | None) -> Tensor:
    """log p (n, size) after every prefix of `ids`, by transformers and PEFT alone."""
    model = AutoModelForCausalLM.from_pretrained(side.model, dtype=torch.float32).eval()
    if side.adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, side.adapter).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, :, :size].double()
    if valid is not None:
        logits = logits.masked_fill(~valid, float("-inf"))
    log_probs: Tensor = logits.log_softmax(-1)
    return log_probs

"""Checksums of a model's own tensors, to see whether an adapter left them as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from logit_amp_chat.core.models.layers.lora import LoraLinear

WORDS = 1 << 16  # per block
BLOCKS = 1 << 8  # multiplied at once where there is no integer matrix product

Checksums = dict[str, tuple[Any, ...]]


def checksums(model: Any) -> Checksums:
    """Shape, dtype and checksum of every tensor of the model itself, by its name.

    Layers of adapters are looked through: equal checksums before and after adapters went in
    mean that the model without them is still the same, its structure included.
    """
    factors = _factors()
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return {
        name: (tensor.shape, tensor.dtype, checksum(tensor, factors))
        for name, tensor in _own_tensors(base, "")
    }


def checksum(tensor: Tensor, factors: Tensor) -> str:
    """Of the bytes, in order: a single changed word is always seen, so is a permutation.

    Each block of 64-bit words is multiplied with `factors` (WORDS,) modulo 2^64: odd, so that
    no word's change is lost, and random, so that its place counts. One read of the weights.
    """
    if tensor.is_meta:
        return ""
    data = tensor.detach().reshape(-1).view(torch.uint8)
    padding = -len(data) % 8
    if padding or data.storage_offset() % 8:
        data = nn.functional.pad(data, (0, padding)).clone()
    words = data.view(torch.int64)
    whole = len(words) // WORDS * WORDS
    factors = factors.to(words.device)
    parts = torch.split(words[:whole].view(-1, WORDS), BLOCKS)
    sums = [_products(part, factors) for part in parts]
    rest = words[whole:]
    sums.append((rest * factors[: len(rest)]).sum()[None])
    return hashlib.sha256(torch.cat(sums).cpu().numpy().tobytes()).hexdigest()


def _products(blocks: Tensor, factors: Tensor) -> Tensor:
    # CUDA has no integer matrix product; on a CPU it reads at six times the speed
    return blocks @ factors if blocks.device.type == "cpu" else (blocks * factors).sum(-1)


def _factors() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-(2**62), 2**62, (WORDS,), generator=generator) * 2 + 1


def _own_tensors(module: nn.Module, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a model, at the places that they have without adapters."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import AuxiliaryTrainingWrapper

    while isinstance(module, LoraLinear | BaseTunerLayer | AuxiliaryTrainingWrapper):
        if isinstance(module, LoraLinear):
            module = module.base
        else:
            is_layer = isinstance(module, BaseTunerLayer)
            module = module.base_layer if is_layer else module.original_module
    for key, tensor in chain(module._parameters.items(), module._buffers.items()):
        if tensor is not None:
            yield f"{name}.{key}", tensor
    for key, child in module.named_children():
        yield from _own_tensors(child, f"{name}.{key}")

"""The memory that is free for models, and how what they took is given back."""

from __future__ import annotations

import ctypes
import gc
import sys

import torch

from logit_amp_chat.core.system.machine import available_ram


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free where models go; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_ram()


def give_back(device: torch.device) -> None:
    """Return the memory of models that nothing keeps any longer to the system."""
    gc.collect()  # transformers' models are in reference cycles
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)  # glibc keeps what is freed, up to whole models

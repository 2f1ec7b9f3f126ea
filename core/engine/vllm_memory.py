"""The memory that a pair takes in vLLM, before anything is loaded."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.vllm_opening import Report
from logit_amp_chat.core.errors import PairError, UsageError
from logit_amp_chat.core.models.memory_estimate import cache_bytes, estimate
from logit_amp_chat.core.models.unloaded_pair import UnloadedPair
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.system.machine import GB, GPU, available_ram, gpus

# Of the KV cache on a CPU, in GB: where less than that is needed, and as a share of free memory.
CACHE_GB, CACHE_SHARE = 4, 0.25
CACHE_VARIABLE = "VLLM_CPU_KVCACHE_SPACE"
# The least context that is worth opening, where none is asked for.
LEAST_TOKENS = 256
# Arguments with which weights or cache are elsewhere, or of another size than computed here.
ELSEWHERE = ("cpu_offload_gb", "kv_cache_memory_bytes", "load_format", "offload_backend")


@dataclass(frozen=True)
class VllmMemory:
    """Bytes on each of `ranks`: weights of both sides, and their KV of `tokens` tokens."""

    ranks: int
    weights: int
    cache: int
    tokens: int

    @classmethod
    def of(cls, profile: Profile, found: UnloadedPair) -> VllmMemory | None:
        """What the profile asks for at least; None if that cannot be known.

        Of weights that vLLM is to quantize only vLLM knows the size.
        """
        asked = profile.vllm
        if asked.quantization is not None or any(name in asked.arguments for name in ELSEWHERE):
            return None
        # As on a GPU: tied weights are one copy.
        profile = profile.model_copy(update={"dtype": found.dtype})
        sides = list(zip(found.folders, found.configs, strict=True))
        weights = estimate(profile, sides, on_gpu=True).weights
        tokens = min(asked.max_model_len or LEAST_TOKENS, found.pair.context)
        width = _cache_width(str(asked.arguments.get("kv_cache_dtype", "auto")), found.dtype)
        ranks = asked.tensor_parallel
        texts = [config.get_text_config() for config in found.configs]
        caches = [cache_bytes(text, tokens, width, ranks) for text in texts]
        cache = sum(n or 0 for n in caches)
        return cls(ranks, math.ceil(weights / ranks), cache, tokens)

    @property
    def total(self) -> int:
        """Bytes on each rank."""
        return self.weights + self.cache

    def __str__(self) -> str:
        return (
            f"at least {self.total / GB:.1f} GB (weights of both sides {self.weights / GB:.1f},"
            f" KV cache of both for {self.tokens:,} tokens {self.cache / GB:.1f})"
        )


def check_memory(profile: Profile, found: UnloadedPair, report: Report) -> int:
    """Check that the pair fits; returns the GB of KV cache that each rank gets on a CPU.

    Raises PairError, and UsageError for more GPUs than there are.
    """
    need, cards = VllmMemory.of(profile, found), gpus()
    if cards:
        _check_gpus(profile, need, cards, report)
        return CACHE_GB
    ranks, free = profile.vllm.tensor_parallel, available_ram()
    cache = _cpu_cache(need, free)
    if need is None or free is None:
        return cache
    total = ranks * (need.weights + max(need.cache, int(cache * GB)))
    report(Loading(stage="memory", detail="vLLM", done=total, total=free, unit="bytes"))
    if need.cache > cache * GB:
        raise PairError(
            f"vLLM's KV cache has {cache} GB here, and one reply of {need.tokens:,} tokens takes"
            f" {need.cache / GB:.1f} GB on both sides.",
            f"Set a smaller max_model_len under vllm, or {CACHE_VARIABLE} to more GB.",
        )
    if total > free:
        raise PairError(
            f"This pair needs about {total / GB:.1f} GB in vLLM (weights of both sides"
            f" {ranks * need.weights / GB:.1f}, KV cache {cache * ranks}), and this machine has"
            f" {free / GB:.1f} GB free.",
            "Use a smaller pair or max_model_len, or a machine with more memory.",
        )
    return cache


def _check_gpus(
    profile: Profile, need: VllmMemory | None, cards: list[GPU], report: Report
) -> None:
    ranks, share = profile.vllm.tensor_parallel, profile.vllm.gpu_memory_utilization
    if ranks > len(cards) and "distributed_executor_backend" not in profile.vllm.arguments:
        raise UsageError(
            f"tensor_parallel is {ranks}, and this machine has {len(cards)} GPUs.",
            "Set tensor_parallel, under vllm, to as many as there are, or less.",
        )
    if need is None:
        return
    room = int(share * min(memory for _, memory in cards[:ranks]))
    report(Loading(stage="memory", detail="vLLM", done=need.total, total=room, unit="bytes"))
    if need.total > room:
        each = "the GPU" if ranks == 1 else f"each of {ranks} GPUs"
        raise PairError(
            f"This pair needs {need} on {each}, and vLLM may use {room / GB:.1f} GB there.",
            "Set a larger tensor_parallel or gpu_memory_utilization, a smaller max_model_len, or"
            " one of vLLM's kinds of quantization, all under vllm.",
        )


def _cpu_cache(need: VllmMemory | None, free: int | None) -> int:
    """GB of KV cache on a CPU: what the environment says, else a share of what is free.

    More than that where one reply needs it.
    """
    named = os.environ.get(CACHE_VARIABLE, "")
    if named.isdigit() and int(named):
        return int(named)
    usual = CACHE_GB
    if free is not None:
        usual = max(1, min(CACHE_GB, math.floor(CACHE_SHARE * free / GB)))
    return usual if need is None else max(usual, math.ceil(need.cache / GB))


def _cache_width(kind: str, dtype: str) -> int:
    """Bytes of a number in the cache."""
    if kind != "auto":
        return 1 if kind.startswith(("fp8", "int8")) else 2
    width: int = getattr(torch, dtype).itemsize
    return width

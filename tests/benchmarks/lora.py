"""A pair of one model and its adapter: what a step costs, read in three ways, and as two models.

    python -m tests.benchmarks.lora [--shape smollm2-135m] [--lanes 1] [--rounds 5]

Random weights on the CPU in float32, an adapter of rank 16 on every linear layer.
`PEFT` switches its adapter on and off at every step, as a pair would with its own
layers; `by rows` reads the sides one after the other, `in one` both at once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from logit_amp_chat.core.bench.random_pair import SHAPES, random_model
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.models.layers.lora import with_rows
from logit_amp_chat.core.models.layers.packed_linear import pack
from logit_amp_chat.core.models.side import LoadedSide, SharedWeights

PROMPT = list(range(5, 37))
STEPS = 12
CPU = torch.device("cpu")


def adapted(shape: str) -> Any:
    """A random model with an adapter that is named after."""
    config = LoraConfig(r=16, target_modules="all-linear")
    model = random_model(SHAPES[shape], 0, CPU, torch.float32, "none")
    return get_peft_model(model, config, adapter_name="after").eval()


def readers(shape: str) -> dict[str, list[PrefixCache]]:
    """Each way by its name, before's reading first."""
    peft = adapted(shape)
    pack(peft)
    found = with_rows(adapted(shape))
    assert found is not None
    model, rows = found
    pack(model)
    sides = [LoadedSide(model, name, shared=True, rows=rows) for name in (None, "after")]
    two = [random_model(SHAPES[shape], seed, CPU, torch.float32, "none") for seed in (0, 1)]
    for one in two:
        pack(one)
    return {
        "PEFT": [PrefixCache(LoadedSide(peft, name, shared=True)) for name in (None, "after")],
        "by rows": [PrefixCache(side) for side in sides],
        "in one": [PrefixCache(SharedWeights(*sides))],
        "two models": [PrefixCache(LoadedSide(one)) for one in two],
    }


def seconds(way: list[PrefixCache], lanes: int) -> float:
    """Seconds of a step of both sides."""
    for caches in way:
        caches.clear()
        caches.open(PROMPT, 1)
        list(caches.prefill(256))
        caches.expand(lanes)
    tokens = torch.full((lanes,), 7)
    for caches in way:
        caches.decode(tokens)
    began = time.perf_counter()
    for _ in range(STEPS):
        for caches in way:
            caches.decode(tokens)
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    """Measure in rounds that take turns, and print medians with the least and the most."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="smollm2-135m")
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways = readers(options.shape)
    taken = {name: list[float]() for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            taken[name].append(seconds(way, options.lanes))
    for name, times in taken.items():
        line = f"{name:<11}{1000 * statistics.median(times):8.1f} ms a step"
        for peer in ("PEFT", "two models"):
            ratios = [b / a for a, b in zip(times, taken[peer], strict=True)]
            median, low, high = statistics.median(ratios), min(ratios), max(ratios)
            line += f"   {median:.2f} ({low:.2f} to {high:.2f}) of {peer}"
        print(line)


if __name__ == "__main__":
    main()

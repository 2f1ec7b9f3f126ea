"""How long a pair takes to load: quantized anew, and from the copies that are kept of that.

    python -m tests.benchmarks.loading [--shape smollm2-135m] [--rounds 3]

A process a load, imports counted; the two take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from logit_amp_chat.core.bench.random_pair import SHAPES, random_model
from tests.models import tiny_tokenizer

LOAD = """
import sys, time
began = time.perf_counter()
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.config.profile import Profile
before, after, quantization = sys.argv[1:]
load_pair(Profile.model_validate({
    "name": "loading", "before": {"model": before}, "after": {"model": after},
    "dtype": "bfloat16", "device": "cpu", "quantization": quantization,
}))
print(time.perf_counter() - began)
"""


def save(shape: str, folder: Path) -> tuple[Path, Path]:
    """A random pair of this shape, in bfloat16."""
    disable_progress_bar()
    before, after = folder / "before", folder / "after"
    for seed, side in enumerate((before, after)):
        cpu = torch.device("cpu")
        random_model(SHAPES[shape], seed, cpu, torch.bfloat16, "none").save_pretrained(side)
        tiny_tokenizer().save_pretrained(side)
    return before, after


def seconds(pair: tuple[Path, Path], quantization: str, copies: str) -> float:
    """One load in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, *map(str, pair), quantization],
        env=os.environ | {"LOGIT_AMP_QUANTIZED": copies},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return float(ran.stdout.splitlines()[-1])


def main() -> None:
    """Print medians, with the least and the most."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair, copies = save(options.shape, folder), str(folder / "copies")
        for quantization in ("nf4", "int8"):
            seconds(pair, quantization, copies)  # which writes them
            taken: dict[str, list[float]] = {"quantized anew": [], "from copies": []}
            for _ in range(options.rounds):
                taken["quantized anew"].append(seconds(pair, quantization, "off"))
                taken["from copies"].append(seconds(pair, quantization, copies))
            for how, times in taken.items():
                median, low, high = statistics.median(times), min(times), max(times)
                print(f"{quantization:<5} {how:<15} {median:5.1f} s ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()

"""Replies of the demo pair, verified as other processors would decode them.

    python -m tests.benchmarks.replaying [--python PATH]

PyTorch, oneDNN and MKL are held to smaller instruction sets, each in a process of its own;
`--python` verifies with another environment's versions as well.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from logit_amp_chat.core.number_format import MINUS

PROMPTS = (
    "What do otters eat?",
    "Tell me about foxes",
    "Who are you?",
    "Where do bees live?",
    "What colour are crabs?",
    "Tell me a story about owls",
    "hello there",
    "Do whales sing?",
)
ALPHAS = ("-1", "0", "1", "2")
PROCESSORS = {
    "as it was": {},
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "SSE4": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
APART = re.compile(r"by at most (\S+) nats")


def command(python: str, *arguments: str, **environment: str) -> str:
    """What our command prints."""
    return subprocess.run(
        [python, "-m", "logit_amp_chat", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def verdict(line: str) -> str:
    """identical, the same tokens, or parted."""
    if ": identical" in line:
        return "identical"
    return "the same tokens" if ": the same" in line else "parted"


def main() -> None:
    """Print what is said of all replies, once for each processor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="of another environment")
    options = parser.parse_args()
    lanes = [word for alpha in ALPHAS for word in ("--alpha", alpha)]
    with tempfile.TemporaryDirectory() as name:
        files = []
        for seed, prompt in enumerate(PROMPTS):
            files.append(Path(name) / f"{seed}.jsonl")
            said = ["reply", "--prompt", prompt, *lanes, "--seed", str(seed), "--jsonl"]
            files[-1].write_text(command(sys.executable, *said))
        steps = sum(path.read_text().count('"type":"step"') for path in files)
        print(f"{len(PROMPTS) * len(ALPHAS)} replies of {steps} tokens")
        ways = [(sys.executable, processor) for processor in PROCESSORS]
        ways += [(options.python, "as it was")] if options.python else []
        for python, processor in ways:
            found = Counter[str]()
            apart = [0.0]
            for path in files:
                for line in command(
                    python, "verify", str(path), **PROCESSORS[processor]
                ).splitlines():
                    if line.startswith("r-"):
                        found[verdict(line)] += 1
                        apart += (float(nats.replace(MINUS, "-")) for nats in APART.findall(line))
            told = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
            where = processor if python == sys.executable else python
            print(f"{where}: {told}, at most {max(apart):.0e} nats apart")


if __name__ == "__main__":
    main()

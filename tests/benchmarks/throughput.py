"""The decoding figures of the README: the demo pair, and SmolLM2-135M's shape in two precisions.

    python -m tests.benchmarks.throughput

What is measured, and beside what, is said where it is done: `logit_amp_chat.core.bench.throughput`.
"""

from __future__ import annotations

import sys

from logit_amp_chat.tui.commands import main as cli

SHAPE = ("--shape", "smollm2-135m", "--dtype")
RUNS = (
    ("--rounds", "9", "--tokens", "128"),
    (*SHAPE, "float32"),
    (*SHAPE, "bfloat16"),
)


def main() -> int:
    """Run all; the worst exit code."""
    return max(cli.run(["bench", *options]) for options in RUNS)


if __name__ == "__main__":
    sys.exit(main())

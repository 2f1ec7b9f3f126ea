"""What the limits of estimates hold, and what amplified replies gain.

The table of docs/estimate.md:

python -m tests.benchmarks.true_rate [--sweeps 2000]
"""

from __future__ import annotations

import argparse
import math
import statistics

from logit_amp_chat.core.analysis.true_rate import estimate
from tests.core.analysis.simulated_sweeps import sweeps
from tests.core.analysis.test_true_rate_coverage import KINDS


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=2000)
    count = parser.parse_args().sweeps
    print(
        "| behaviour | replies | exact | covered | too high | too low | width | effective | gain |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (prompts, each, target) in KINDS.items():
        exact = math.fsum(prompt.rate(target) for prompt in prompts) / len(prompts)
        found = [estimate(s, target=target) for s in sweeps(prompts, each, count, seed=1)]
        above = sum(one.low > exact for one in found) / count
        below = sum(one.high < exact for one in found) / count
        replies = sum(each) * len(prompts)
        square = statistics.fmean(((one.rate or 0.0) - exact) ** 2 for one in found)
        figures = (
            f"{replies:,}",
            f"{exact:.3g}",
            f"{100 * (1 - above - below):.1f} %",
            f"{100 * above:.1f} %",
            f"{100 * below:.1f} %",
            f"{statistics.median(one.high - one.low for one in found) / exact:.2g}",
            f"{statistics.median(one.effective_size for one in found):.0f}",
            f"{exact * (1 - exact) / square / replies:.1f}",
        )
        print(f"| {name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()

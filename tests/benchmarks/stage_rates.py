"""How often the limits of stages and steps hold what they are of, in simulated chains.

    python -m tests.benchmarks.stage_rates

prints the table of docs/estimate.md, in a minute.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.core.analysis.test_stage_rates import KINDS, Simulated, share

COUNT = 600


def main() -> None:
    """Print a line for each kind of behaviour, with noise of its own at every α and coupled."""
    print("| behaviour | rates | stages covered | steps covered | rises said |")
    print("| --- | --- | --- | --- | --- |")
    for coupled in (False, True):
        for kind in KINDS:
            found = Simulated.of(kind, coupled, COUNT)
            stages = [
                share([one.low <= exact <= one.high for one in stages])
                for exact, stages in zip(found.exact, found.stages, strict=True)
            ]
            steps = [
                share([one.low <= found.exact[n + 1] - found.exact[n] <= one.high for one in steps])
                for n, steps in enumerate(found.steps)
            ]
            rises = [share([one.rises for one in steps]) for steps in found.steps]
            rates = ", ".join(f"{exact:.2g}" for exact in found.exact)
            name = f"{'coupled, ' if coupled else ''}{kind}"
            said = ", ".join(f"{rise:.0%}" for rise in rises)
            print(f"| {name} | {rates} | {_range(stages)} | {_range(steps)} | {said} |", flush=True)


def _range(shares: Sequence[float]) -> str:
    return f"{min(shares):.0%}–{max(shares):.0%}"


if __name__ == "__main__":
    main()

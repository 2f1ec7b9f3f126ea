"""A sweep's replies a second: one process, and two workers on Ray, on the same two cores.

    python -m tests.benchmarks.sweep_workers [--rounds 5] [--samples 60] [--rows 32] [--workers 2]

The demo pair on four prompts at six αs, one thread in each process, into a folder as `sweep` writes
it. Rounds are interleaved; what opening takes is told apart. Wall time: run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path

from logit_amp_chat.core.api.open_workers import open_workers
from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.prompts import prompts_of, typed
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sampler, Sweep, run
from logit_amp_chat.core.records import Session
from tests.benchmarks.sampling_rows import QUESTIONS


def swept(engine: Sampler, session: Session, samples: int, rows: int) -> float:
    """Replies a second."""
    prompts = prompts_of(typed(QUESTIONS)).prompts
    settings = checked(SweepSettings(samples=samples))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        begun = SweepFolder.begin(Path(folder) / "s", session, settings, prompts)
        with contextlib.closing(begun):
            for _ in run(engine, Sweep(begun, rows=rows)):
                pass
        return len(begun.contents.there) / (time.perf_counter() - began)


def main() -> None:
    """Print replies a second, and the ratio of each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    profile = load_profile("demo")
    engine = LocalEngine.open(profile)
    began = time.perf_counter()
    with open_workers(profile, f"ray:{asked.workers}") as workers:
        print(f"Ray and the first worker: {time.perf_counter() - began:.1f} s")
        pool = workers.engine
        swept(pool, workers.session, 4, asked.rows)  # until all of them are ready
        print(f"then {pool.status}; load {os.getloadavg()[0]:.1f}")
        one, several = [], []
        for number in range(1, asked.rounds + 1):
            one.append(swept(engine, engine.opened.session, asked.samples, asked.rows))
            several.append(swept(pool, workers.session, asked.samples, asked.rows))
            print(
                f"round {number}: {one[-1]:.1f} and {several[-1]:.1f} replies/s,"
                f" ratio {several[-1] / one[-1]:.2f}, load {os.getloadavg()[0]:.1f}"
            )
    ratios = [b / a for a, b in zip(one, several, strict=True)]
    print(
        f"medians: {statistics.median(one):.1f} and {statistics.median(several):.1f} replies/s,"
        f" ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()

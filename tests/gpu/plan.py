"""What is run, in the order of what matters most, with its estimated time on an H100 or H200."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.gpu import app, kernels, ladder, smoke, speed, suite, trouble
from tests.gpu.pairs import ADAPTER, LLAMA, QWEN, SMOLLM, Place
from tests.gpu.results import Finding, Results

MINUTES = 20
"""What the whole plan may take, by its estimates."""


@dataclass(frozen=True)
class Step:
    """A part of the run, in a process of its own.

    `minutes` is what it should take on an H100, `limit` (minutes) when it is stopped.
    """

    name: str
    title: str
    minutes: float
    limit: float
    run: Callable[[Place], Iterator[Finding]]


PLAN = (
    Step("smoke", "The bundled models beside the CPU", 1.5, 4, smoke.findings),
    Step("suite", "The tests of captured steps, caches and pairs", 1.5, 4, suite.findings),
    Step("speed-llama", LLAMA.title, 2.5, 5, partial(speed.findings, LLAMA)),
    Step("kernels-llama", LLAMA.title, 0.7, 2, partial(kernels.findings, LLAMA)),
    Step("ladder-llama", LLAMA.title, 2.0, 5, partial(ladder.findings, LLAMA)),
    Step("speed-adapter", ADAPTER.title, 1.3, 4, partial(speed.findings, ADAPTER)),
    Step("kernels-adapter", ADAPTER.title, 0.6, 2, partial(kernels.findings, ADAPTER)),
    Step("ladder-adapter", ADAPTER.title, 2.0, 5, partial(ladder.findings, ADAPTER)),
    Step("trouble", "Out of memory, a killed engine, a replay", 1.5, 4, trouble.findings),
    Step("app", "The chat, headless", 0.8, 3, app.findings),
    Step("speed-qwen", QWEN.title, 1.8, 4, partial(speed.findings, QWEN)),
    Step("ladder-qwen", QWEN.title, 1.5, 4, partial(ladder.findings, QWEN)),
    Step("speed-smollm", SMOLLM.title, 1.3, 4, partial(speed.findings, SMOLLM)),
)
STEPS = {step.name: step for step in PLAN}


def pending(results: Results) -> list[Step]:
    """The steps that are not done: those that were never begun first, then by attempts."""
    left = [step for step in PLAN if not results.is_done(step.name)]
    return sorted(left, key=lambda step: results.attempts(step.name))


def described() -> str:
    """The plan as a table, with its minutes."""
    rows = [f"{step.minutes:>5.1f}  {step.name:<16} {step.title}" for step in PLAN]
    total = sum(step.minutes for step in PLAN)
    return "\n".join([*rows, f"{total:>5.1f}  minutes on an H100, as estimated"])

"""Finds the αs worth sampling: a small sweep of its own, whose replies count nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from logit_amp_chat.core.experiments.sweep.result import Rate
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings

LADDER = (-2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0)
REPLIES = 32
"""Of the pilot at every α, over all prompts."""

FOLDER = "pilot"
SEED = 0x9E3779B97F4A7C15
"""Added to the sweep's seed: no reply of the pilot has the noise of one that counts."""


def pilot_settings(settings: SweepSettings, prompts: int) -> SweepSettings:
    """The pilot of a sweep over so many prompts."""
    sampling = settings.sampling
    seed = (sampling.seed + SEED) % (1 << 63)
    return replace(
        settings,
        alphas=LADDER,
        samples=max(1, math.ceil(REPLIES / max(1, prompts))),
        sampling=sampling.model_copy(update={"seed": seed}),
        target=0.0,
        further=(),
        top=0,
        plain=0,
    )


def pilot_folder(path: Path) -> Path:
    """Where the pilot of a sweep is."""
    return path / FOLDER


def alphas_of(rates: Sequence[Sequence[Rate]]) -> tuple[float, ...]:
    """The αs to sample, from the pilot's rates of each behaviour, with α rising.

    On either side of 0: the last α at which the behaviour is as it is at 0, the first at which
    it is in half of the replies (or where it is commonest), and one between them. A side where
    nothing rises has its first two: what is suppressed elsewhere must be seen there.
    """
    found = {0.0}
    for behaviour in rates:
        (origin,) = (rate for rate in behaviour if rate.alpha == 0)
        for side in (-1, 1):
            outward = sorted(
                (rate for rate in behaviour if rate.alpha * side > 0), key=lambda r: abs(r.alpha)
            )
            found |= _side(origin, outward)
    return tuple(sorted(found))


def _side(origin: Rate, outward: Sequence[Rate]) -> set[float]:
    """The αs of one side, from 0 outwards."""
    rising = next((n for n, rate in enumerate(outward) if rate.low > max(_rate(origin), 0.0)), None)
    if rising is None:
        return {rate.alpha for rate in outward[1:3]}
    half = next((n for n, rate in enumerate(outward) if _rate(rate) >= 0.5), None)
    if half is None:
        half = max(range(len(outward)), key=lambda n: _rate(outward[n]))
    begin = max(0, min(rising, half) - 1)
    between = (begin + half) // 2
    return {outward[n].alpha for n in (begin, between, half)}


def _rate(rate: Rate) -> float:
    return rate.rate or 0.0

"""The rates of a sweep over a chain, stage after stage, as a figure of matplotlib."""

from __future__ import annotations

from typing import Any

from logit_amp_chat.core.experiments.sweep.chain.result import ChainBehaviour, ChainResult
from logit_amp_chat.core.experiments.sweep.figure import label_rates, name_of, reach

BESIDE = 0.05
"""How far behaviours stand beside each other."""


def draw(result: ChainResult, ax: Any) -> None:
    """Draw every behaviour into `ax`: its estimate at each stage, with 95 % intervals."""
    middle = (len(result.behaviours) - 1) / 2
    for number, found in enumerate(result.behaviours):
        _behaviour(found, result.stages, BESIDE * (number - middle), ax)
    ax.set_xticks(range(len(result.stages)), result.stages)
    ax.set_xlabel("stage")
    label_rates({found.numeric for found in result.behaviours}, len(result.behaviours), ax)
    ax.set_title("estimates for each stage, 95% intervals; ▽ a limit alone", fontsize="medium")


def _behaviour(found: ChainBehaviour, stages: tuple[str, ...], beside: float, ax: Any) -> None:
    places = {name: place + beside for place, name in enumerate(stages)}
    known = [(places[one.stage], one.estimate) for one in found.stages if one.estimate]
    middles = [estimate.middle for _, estimate in known]
    limits = reach(middles, [one.low for _, one in known], [one.high for _, one in known])
    drawn = ax.errorbar(
        [place for place, _ in known], middles, yerr=limits, marker="o", capsize=3,
        label=name_of(found.name),
    )  # fmt: skip
    for place, one in known:
        if one.rate is None:
            at, mark = (one.low, "^") if one.middle else (one.high, "v")
            colour = drawn.lines[0].get_color()
            ax.plot([place], [at], marker=mark, markersize=8, markerfacecolor="none", color=colour)

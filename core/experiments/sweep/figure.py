"""The rates of a sweep over α as a figure of matplotlib."""

from __future__ import annotations

import math
from typing import Any

from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, SweepResult
from logit_amp_chat.core.text import visible

LEGEND_OUTSIDE = 6
"""With more behaviours the legend is beside the figure."""


def draw(result: SweepResult, ax: Any) -> None:
    """Draw every behaviour into `ax`: what was seen at each α with 95 % intervals, and the
    estimate for the target as a diamond with its own.
    """
    target = result.settings.target
    for found in result.behaviours:
        _behaviour(found, target, ax)
    ax.set_xlabel("α")
    label_rates({found.numeric for found in result.behaviours}, len(result.behaviours), ax)
    estimated = f"; ◇ estimate for {wording.model(target)}" if not result.no_estimate else ""
    ax.set_title(
        f"lines: seen at α, 95% intervals{estimated}\n{wording.sampling(result)}",
        fontsize="medium",
    )


def label_rates(kinds: set[bool], behaviours: int, ax: Any) -> None:
    """Say what the vertical axis has, of numbers (True) or rates, and which line is which."""
    ax.set_ylabel(" or ".join("mean" if numeric else "share of replies" for numeric in kinds))
    if kinds == {False}:
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
    if behaviours > LEGEND_OUTSIDE:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    elif behaviours:
        ax.legend()


def name_of(behaviour: str) -> str:
    """The name of a behaviour in a legend, where a dollar would begin a formula."""
    return visible(behaviour, newlines=False).replace("$", r"\$")


def _behaviour(found: BehaviourResult, target: float, ax: Any) -> None:
    seen = [rate for rate in found.rates if rate.rate is not None]
    rates = [rate.rate for rate in seen]
    limits = reach(rates, [rate.low for rate in seen], [rate.high for rate in seen])
    drawn = ax.errorbar(
        [rate.alpha for rate in seen], rates, yerr=limits, marker="o", capsize=3,
        label=name_of(found.name),
    )  # fmt: skip
    estimate = found.estimate
    if estimate is not None and estimate.rate is not None:
        limits = reach([estimate.rate], [estimate.low], [estimate.high])
        ax.errorbar(
            [target], [estimate.rate], yerr=limits, marker="D", markersize=8,
            markerfacecolor="none", color=drawn.lines[0].get_color(), capsize=6,
            linestyle="none", zorder=3,
        )  # fmt: skip


def reach(middle: list[Any], lows: list[Any], highs: list[Any]) -> list[list[float]]:
    """How far limits are below and above; 0 where there is none."""
    down = [m - low if math.isfinite(low) else 0.0 for m, low in zip(middle, lows, strict=True)]
    up = [high - m if math.isfinite(high) else 0.0 for m, high in zip(middle, highs, strict=True)]
    return [down, up]

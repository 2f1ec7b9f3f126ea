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
    kinds = {found.numeric for found in result.behaviours}
    ax.set_xlabel("α")
    ax.set_ylabel(" or ".join("mean" if numeric else "share of replies" for numeric in kinds))
    if kinds == {False}:
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
    estimated = f"; ◇ estimate for {wording.model(target)}" if not result.no_estimate else ""
    ax.set_title(
        f"lines: seen at α, 95% intervals{estimated}\n{wording.sampling(result)}",
        fontsize="medium",
    )
    if len(result.behaviours) > LEGEND_OUTSIDE:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    elif result.behaviours:
        ax.legend()


def _behaviour(found: BehaviourResult, target: float, ax: Any) -> None:
    seen = [rate for rate in found.rates if rate.rate is not None]
    rates = [rate.rate for rate in seen]
    reach = _reach(rates, [rate.low for rate in seen], [rate.high for rate in seen])
    name = visible(found.name, newlines=False).replace("$", r"\$")
    drawn = ax.errorbar(
        [rate.alpha for rate in seen], rates, yerr=reach, marker="o", capsize=3, label=name
    )
    estimate = found.estimate
    if estimate is not None and estimate.rate is not None:
        reach = _reach([estimate.rate], [estimate.low], [estimate.high])
        ax.errorbar(
            [target], [estimate.rate], yerr=reach, marker="D", markersize=8, markerfacecolor="none",
            color=drawn.lines[0].get_color(), capsize=6, linestyle="none", zorder=3,
        )  # fmt: skip


def _reach(middle: list[Any], lows: list[Any], highs: list[Any]) -> list[list[float]]:
    """How far limits are below and above; 0 where there is none."""
    down = [m - low if math.isfinite(low) else 0.0 for m, low in zip(middle, lows, strict=True)]
    up = [high - m if math.isfinite(high) else 0.0 for m, high in zip(middle, highs, strict=True)]
    return [down, up]

"""The rates of a behaviour, stage after stage, as a drawing in SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator

from logit_amp_chat.core.experiments.sweep.chain.result import ChainBehaviour, StageRate
from logit_amp_chat.core.experiments.sweep.report_curve import (
    ASIDE,
    BOTTOM,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    Axes,
    diamond,
    grid,
    label,
    line,
    ticks,
)
from logit_amp_chat.core.export.page_tokens import html_text

SHORT = 18
"""Characters of a stage's name below its place."""


def stage_curve(found: ChainBehaviour) -> str:
    """The estimates with their intervals, beside what was seen; "" where there is nothing."""
    limits = [limit for one in found.stages for limit in _limits(one)]
    if not limits:
        return ""
    steps = ticks(limits, found.numeric)
    axes = Axes((-0.5, len(found.stages) - 0.5), (steps[0], steps[-1]))
    title = html_text(f"{found.name} by stage")
    parts = [
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        *grid(axes, steps, found.numeric),
        *_names(axes, found),
        *_path(axes, found),
        *(part for place, one in enumerate(found.stages) for part in _stage(axes, place, one)),
        *_legend(),
        "</svg>",
    ]
    return "".join(parts)


def _limits(one: StageRate) -> Iterator[float]:
    if one.seen.rate is not None:
        yield from (one.seen.rate, one.seen.low, one.seen.high)
    if one.estimate is not None:
        yield from (one.estimate.low, one.estimate.high)


def _names(axes: Axes, found: ChainBehaviour) -> Iterator[str]:
    y = HEIGHT - BOTTOM
    for place, one in enumerate(found.stages):
        x = axes.x(place)
        name = one.stage if len(one.stage) <= SHORT else f"{one.stage[: SHORT - 1]}…"
        yield line(x, y, x, y + 4, "tick")
        yield label(x, y + 18, name, "across")


def _path(axes: Axes, found: ChainBehaviour) -> Iterator[str]:
    points = [
        f"{axes.x(place) + ASIDE:.1f},{axes.y(one.estimate.middle):.1f}"
        for place, one in enumerate(found.stages)
        if one.estimate is not None
    ]
    yield f'<polyline points="{" ".join(points)}"/>'


def _stage(axes: Axes, place: int, one: StageRate) -> Iterator[str]:
    x = axes.x(place)
    colour = "after" if place else "before"
    if one.seen.rate is not None:
        if math.isfinite(one.seen.low) and math.isfinite(one.seen.high):
            yield line(x, axes.y(one.seen.low), x, axes.y(one.seen.high), f"limits {colour}")
        yield f'<circle cx="{x:.1f}" cy="{axes.y(one.seen.rate):.1f}" r="4" class="{colour}"/>'
    found = one.estimate
    if found is None:
        return
    x += ASIDE
    if math.isfinite(found.low) and math.isfinite(found.high):
        yield line(x, axes.y(found.low), x, axes.y(found.high), "limits estimate")
    if found.rate is not None:
        yield diamond(x, axes.y(found.rate))


def _legend() -> Iterator[str]:
    y, x = TOP - 18, LEFT + 90
    yield f'<circle cx="{x}" cy="{y - 4}" r="4" class="after"/>'
    yield label(x + 9, y, "seen in the stage's replies, with 95% interval", "key")
    yield diamond(x + 312, y - 4)
    yield label(x + 322, y, "estimate", "key")

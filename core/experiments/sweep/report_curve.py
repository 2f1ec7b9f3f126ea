"""The rates of a behaviour over α as a drawing in SVG, with the estimate beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, Rate
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.lanes import FIXED_ALPHA, lane_colour
from logit_amp_chat.core.number_format import number, signed

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 34, 52
"""Room around the curve, in the drawing's units."""

ASIDE = 9
"""How far the estimate stands beside the rate at its α."""

TICKS = 5


@dataclass(frozen=True, slots=True)
class Axes:
    """Where an α, or the number of a stage, and a rate are in the drawing."""

    alphas: tuple[float, float]
    rates: tuple[float, float]

    def x(self, alpha: float) -> float:
        """Of an α."""
        low, high = self.alphas
        return LEFT + (alpha - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, rate: float) -> float:
        """Of a rate."""
        low, high = self.rates
        inside = min(max(rate, low), high)
        return HEIGHT - BOTTOM - (inside - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def curve(found: BehaviourResult, target: float) -> str:
    """The rates with their intervals; "" where there is none to draw."""
    rates = [rate for rate in found.rates if rate.rate is not None]
    if not rates:
        return ""
    steps = ticks(_all_limits(found), found.numeric)
    axes = Axes(_span([*(rate.alpha for rate in rates), target]), (steps[0], steps[-1]))
    title = html_text(f"{found.name} over α")
    parts = [
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        *grid(axes, steps, found.numeric),
        *_alphas(axes, sorted({*(rate.alpha for rate in rates), target})),
        *_seen(axes, rates),
        *_estimate(axes, found.estimate, target),
        *_legend(found, target),
        "</svg>",
    ]
    return "".join(parts)


def _span(alphas: list[float]) -> tuple[float, float]:
    """The αs of the axis, with a little room at its ends."""
    low, high = min(alphas), max(alphas)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _all_limits(found: BehaviourResult) -> list[float]:
    """All that has to be between the ends of the axis."""
    limits = [limit for rate in found.rates for limit in (rate.low, rate.high)]
    limits += [rate.rate for rate in found.rates if rate.rate is not None]
    if found.estimate is not None:
        limits += [found.estimate.low, found.estimate.high]
    return limits


def ticks(limits: Iterable[float], numeric: bool) -> list[float]:
    """The rates of the horizontal lines, in round steps: all limits are between the ends."""
    finite = [limit for limit in limits if math.isfinite(limit)] or [0.0, 1.0]
    low = min(0.0, *finite) if numeric else 0.0
    span = (max(0.0, *finite) - low) or 1.0
    size = 10.0 ** math.floor(math.log10(span / TICKS))
    step = next(size * times for times in (1, 2, 5, 10) if size * times * TICKS >= span)
    first = math.floor(low / step)
    last = max(first + 1, math.ceil((low + span) / step - 1e-9))
    return [step * n for n in range(first, last + 1)]


def grid(axes: Axes, steps: Iterable[float], numeric: bool) -> Iterator[str]:
    """Horizontal lines at rates, each with its number."""
    for tick in steps:
        y = axes.y(tick)
        shown = number(tick) if numeric else f"{number(100 * tick)}%"
        yield line(LEFT, y, WIDTH - RIGHT, y, "grid")
        yield label(LEFT - 8, y + 4, shown, "up")
    kind = "mean" if numeric else "share of replies"
    yield label(LEFT - 56, TOP - 18, kind, "name")


def _alphas(axes: Axes, alphas: list[float]) -> Iterator[str]:
    y, last = HEIGHT - BOTTOM, -math.inf
    names = {at: name for name, at in FIXED_ALPHA.items()}
    for alpha in alphas:
        x = axes.x(alpha)
        yield line(x, y, x, y + 4, "tick")
        if x - last >= 34:  # labels do not run into each other
            yield label(x, y + 18, signed(alpha), "across")
            last = x
        if name := names.get(alpha):
            yield label(x, y + 33, name, f"across {name}")
    yield label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "α", "across name")


def _seen(axes: Axes, rates: list[Rate]) -> Iterator[str]:
    points = [(axes.x(rate.alpha), axes.y(rate.rate or 0.0)) for rate in rates]
    yield f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    for (x, y), rate in zip(points, rates, strict=True):
        colour = lane_colour(rate.alpha)
        if math.isfinite(rate.low) and math.isfinite(rate.high):
            yield line(x, axes.y(rate.low), x, axes.y(rate.high), f"limits {colour}")
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{colour}"/>'


def _estimate(axes: Axes, found: Estimate | None, target: float) -> Iterator[str]:
    if found is None:
        return
    x = axes.x(target) + ASIDE
    if math.isfinite(found.low) and math.isfinite(found.high):
        yield line(x, axes.y(found.low), x, axes.y(found.high), "limits estimate")
    if found.rate is not None:
        yield diamond(x, axes.y(found.rate))


def _legend(found: BehaviourResult, target: float) -> Iterator[str]:
    y = TOP - 18
    x = LEFT + 90
    yield f'<circle cx="{x}" cy="{y - 4}" r="4" class="amplified"/>'
    yield label(x + 9, y, "seen at an α, with 95% interval", "key")
    if found.estimate is not None:
        yield diamond(x + 232, y - 4)
        yield label(x + 242, y, f"estimate for {wording.model(target)}", "key")


def diamond(x: float, y: float) -> str:
    """The mark of an estimate."""
    return f'<path class="estimate" d="M{x:.1f} {y - 6:.1f}l5 6l-5 6l-5 -6z"/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A line of a class."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def label(x: float, y: float, text: str, kind: str) -> str:
    """Words of a class."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{html_text(text)}</text>'

"""What a token's colour says: a number of its step, the level it reaches, and the colours.

Shared by the screen and the exports, so that a picture means the same in both.
Every colour is one of the 256 that any terminal has. What diverges around zero
goes from red to a green with blue in it, which colour-blind eyes tell apart;
what only grows gets lighter on dark ground and darker on light. Levels that
matter also have a mark, for eyes and terminals without colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from logit_amp_chat.core.records import Step

LANE_COLOURS = {  # on dark ground, on light
    "before": ("#5fafff", "#005faf"),
    "after": ("#eeeeee", "#121212"),
    "amplified": ("#ffaf5f", "#af5f00"),
}

Mark = Literal["", "bold", "underline"]


class Colours(NamedTuple):
    """Hex colours of a token's text and of what is behind it."""

    text: str
    ground: str


@dataclass(frozen=True)
class Colouring:
    """One number of a step to colour tokens by.

    `bounds` are the magnitudes from which the levels 1, 2 … begin; from `hunk`
    on a token stands out, as a hunk does in a code diff. `diverging` values
    have levels below zero too.
    """

    id: str
    title: str
    unit: str
    help: str
    value: Callable[[Step], float]
    bounds: tuple[float, ...]
    hunk: float
    diverging: bool = False

    def level(self, step: Step) -> int:
        """0 for what is not worth a colour, up to ±len(bounds); NaN is 0."""
        value = self.value(step)
        if not self.diverging:
            value = max(0.0, value)
        level = sum(abs(value) >= bound for bound in self.bounds)
        return -level if value < 0 else level

    def is_hunk(self, step: Step) -> bool:
        """Whether the token stands out."""
        value = self.value(step)
        return (abs(value) if self.diverging else value) >= self.hunk

    def mark(self, step: Step) -> Mark:
        """How a token that stands out is told without colour: a fall or a mere size is
        underlined, a rise is bold."""
        if not self.is_hunk(step):
            return ""
        return "bold" if self.diverging and self.value(step) > 0 else "underline"

    def colours(self, level: int, *, dark: bool) -> Colours | None:
        """The colours of a level; None for level 0."""
        if level == 0:
            return None
        grounds = _GROUNDS["size" if not self.diverging else "more" if level > 0 else "less"]
        ground = grounds[0 if dark else 1][abs(level) - 1]
        return Colours(_readable(ground), ground)


def _shift(step: Step) -> float:
    return step.logp.after - step.logp.before


def _climb(step: Step) -> float:
    return step.rank.after - step.rank.amplified


COLOURINGS: dict[str, Colouring] = {
    colouring.id: colouring
    for colouring in (
        Colouring(
            "kl",
            "KL(after‖before)",
            "nats",
            "how much training changed what could be said here",
            lambda step: step.kl,
            (0.1, 0.3, 1.0, 2.0, 4.0),
            1.0,
        ),
        Colouring(
            "shift",
            "Δ log p",
            "nats",
            "log-probability that training gave this token or took from it",
            _shift,
            (0.25, 0.5, 1.0, 2.0, 4.0),
            1.0,
            diverging=True,
        ),
        Colouring(
            "rank",
            "rank change",
            "ranks",
            "ranks that amplification lifted this token above its place in after",
            _climb,
            (1, 2, 5, 20, 100),
            1,
            diverging=True,
        ),
        Colouring(
            "entropy",
            "entropy",
            "nats",
            "how open amplified was here",
            lambda step: step.entropy,
            (0.5, 1.0, 2.0, 3.0, 4.0),
            2.0,
        ),
    )
}

# By level, on dark ground and on light.
_GROUNDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "size": (
        ("#303030", "#5f5f87", "#875faf", "#af87d7", "#ffafff"),
        ("#eeeeee", "#d7d7ff", "#d7afff", "#af5fd7", "#5f0087"),
    ),
    "more": (
        ("#005f5f", "#00875f", "#00af87", "#5fd7af", "#87ffd7"),
        ("#d7ffff", "#87ffd7", "#5fd7af", "#00875f", "#005f5f"),
    ),
    "less": (
        ("#5f0000", "#870000", "#af0000", "#d75f5f", "#ff8787"),
        ("#ffd7d7", "#ffafaf", "#ff8787", "#d70000", "#870000"),
    ),
}


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, of a hex colour (WCAG 2.2)."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else math.pow((c + 0.055) / 1.055, 2.4) for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """Contrast of two hex colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _readable(ground: str) -> str:
    """Black or white, whichever is read more easily."""
    return max("#ffffff", "#000000", key=lambda text: contrast(text, ground))

"""Colours that carry a meaning, for dark and light backgrounds, and their contrast.

Every colour is one of the 256 that any terminal has. A diverging scale goes
from red to a bluish green, which colour-blind eyes tell apart; a scale of
sizes gets lighter on dark and darker on light.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

LANE_COLOURS = {  # on dark, on light
    "before": ("#5fafff", "#005faf"),
    "after": ("#eeeeee", "#121212"),
    "amplified": ("#ffaf5f", "#af5f00"),
}


Scale = Literal["size", "more", "less"]


class Colours(NamedTuple):
    """Hex colours of a token's text and of its background."""

    text: str
    ground: str


# By level, on dark and on light.
_GROUNDS: dict[Scale, tuple[tuple[str, ...], tuple[str, ...]]] = {
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


def level_colours(scale: Scale, level: int, *, dark: bool) -> Colours:
    """The colours of a level, from 1 up."""
    ground = _GROUNDS[scale][0 if dark else 1][level - 1]
    return Colours(_readable(ground), ground)


def _readable(ground: str) -> str:
    """Black or white, whichever has more contrast."""
    return max("#ffffff", "#000000", key=lambda text: contrast(text, ground))

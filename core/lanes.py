"""A lane is a reply at one α: what it is called, its letter, and which colour it has."""

from __future__ import annotations

LETTERS = {"before": "B", "after": "A", "amplified": "α"}


LANES = ("before", "after", "amplified")


FIXED_ALPHA = {"before": -1.0, "after": 0.0}  # amplified runs at the live value


def lane_name(alpha: float) -> str:
    """The name of the lane that stays at this α: before, after, or the number."""
    names = {value: name for name, value in FIXED_ALPHA.items()}
    return names.get(alpha, f"{alpha:+g}")


def lane_label(lane: str) -> str:
    """What a lane is called beside its α."""
    return lane if lane in LANES else "at"


def tint(lane: str) -> str:
    """Which of the three colours a lane has; a stranger's file may name any."""
    if lane in LANES:
        return lane
    return "before" if lane.startswith("-") else "amplified"

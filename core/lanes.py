"""A lane is a reply at one α: what it is called, its letter, and which colour it has."""

from __future__ import annotations

from logit_amp_chat.core.number_format import MINUS, signed

LETTERS = {"before": "B", "after": "A", "amplified": "α"}
LANES = ("before", "after", "amplified")
FIXED_ALPHA = {"before": -1.0, "after": 0.0}  # amplified runs at the live value


def lane_name(alpha: float) -> str:
    """The name of the lane that stays at this α: before, after, or the number: "+0.5", "-2".

    To its last digit: lanes are told apart by their names.
    """
    names = {value: name for name, value in FIXED_ALPHA.items()}
    return names.get(alpha) or signed(alpha).replace(MINUS, "-")


def lane_label(lane: str) -> str:
    """What a lane is called beside its α."""
    return lane if lane in LANES else "at"


def tint(lane: str) -> str:
    """Which of the three colours a lane has; a stranger's file may name any."""
    if lane in LANES:
        return lane
    return "before" if lane.startswith("-") else "amplified"

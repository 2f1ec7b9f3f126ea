"""A lane is a reply at one α: what it is called, its letter, and which colour it has."""

from __future__ import annotations

from collections.abc import Sequence

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


def lane_names(alphas: Sequence[float]) -> list[str]:
    """The names of lanes that are decoded together.

    A single α beside before and after is the amplified lane, which a chat goes on with.
    """
    others = {alpha for alpha in alphas if alpha not in FIXED_ALPHA.values()}
    alone = others if len(others) == 1 else ()
    return ["amplified" if alpha in alone else lane_name(alpha) for alpha in alphas]


def lane_label(lane: str) -> str:
    """What a lane is called beside its α."""
    return lane if lane in LANES else "at"


def tint(lane: str) -> str:
    """Which of the three colours a lane has; a stranger's file may name any."""
    if lane in LANES:
        return lane
    return "before" if lane.startswith("-") else "amplified"

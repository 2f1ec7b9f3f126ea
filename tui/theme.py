"""The look: one theme, and the three colours that carry the meaning.

Before is cool, after neutral, amplified warm. Each also has a letter, for
terminals without colour and for colour-blind eyes. Every colour is one of the
256 that any terminal has, so that nothing shifts inside tmux.
"""

from __future__ import annotations

from textual.theme import Theme

from logit_amp_chat.core.analysis.palette import LANE_COLOURS

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


DARK = Theme(
    name="logit-amp",
    primary="#d7d7d7",
    secondary="#8a8a8a",
    accent="#ffaf5f",
    warning="#ffd75f",
    error="#ff8787",
    success="#87d787",
    foreground="#d0d0d0",
    background="#121212",
    surface="#121212",
    panel="#1c1c1c",
    dark=True,
    variables={
        **{lane: dark for lane, (dark, _) in LANE_COLOURS.items()},
        "muted": "#8a8a8a",
        "faint": "#4e4e4e",
        "raised": "#1c1c1c",
        "chip": "#303030",
        "footer-background": "#1c1c1c",
    },
)

LIGHT = Theme(
    name="logit-amp-light",
    primary="#303030",
    secondary="#767676",
    accent="#af5f00",
    warning="#875f00",
    error="#af0000",
    success="#005f00",
    foreground="#303030",
    background="#ffffff",
    surface="#ffffff",
    panel="#eeeeee",
    dark=False,
    variables={
        **{lane: light for lane, (_, light) in LANE_COLOURS.items()},
        "muted": "#767676",
        "faint": "#bcbcbc",
        "raised": "#eeeeee",
        "chip": "#dadada",
        "footer-background": "#eeeeee",
    },
)

"""The dark and the light theme, with the three lane colours.

Before is cool, after neutral, amplified warm; each also has a letter, for
terminals without colour and colour-blind eyes. All colours are among the 256
that any terminal has, so that none shifts inside tmux.
"""

from __future__ import annotations

from textual.theme import Theme

from logit_amp_chat.core.analysis.palette import LANE_COLOURS

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

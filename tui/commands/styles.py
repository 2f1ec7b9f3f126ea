"""Colours of what commands print, as escape sequences; none where they are not wanted."""

from __future__ import annotations

import os
import sys
from typing import Literal

from logit_amp_chat.core.analysis.palette import LANE_COLOURS
from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.core.records import Step

When = Literal["auto", "always", "never"]
_CUBE = (0, 95, 135, 175, 215, 255)
RESET = "\x1b[m"


def wants_colour(when: When) -> bool:
    """Whether to print colours: `auto` on a terminal, unless NO_COLOR is set or it has none."""
    if when != "auto":
        return when == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


class Styles:
    """Wraps texts in colours, or returns them as they are."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def token(self, text: str, step: Step) -> str:
        """A token in the shade of its Δ log p, as everywhere."""
        metric = TOKEN_METRICS["shift"]
        colours = metric.colours(metric.level(step), dark=True)
        if not colours:
            return text
        codes = f"38;5;{_index(colours.text)};48;5;{_index(colours.ground)}"
        return self._wrapped(text, codes)

    def lane(self, text: str, name: str) -> str:
        """A text in the colour of before, after or amplified."""
        dark, _ = LANE_COLOURS[name]
        # After's own colour is that of the text: only the terminal knows its background.
        return self._wrapped(text, "1" if name == "after" else f"38;5;{_index(dark)}")

    def raised(self, text: str) -> str:
        """What after makes likelier."""
        return self._wrapped(text, "32")

    def lowered(self, text: str) -> str:
        """What after makes less likely."""
        return self._wrapped(text, "31")

    def bold(self, text: str) -> str:
        """The header of a file."""
        return self._wrapped(text, "1")

    def header(self, text: str) -> str:
        """The header of a hunk."""
        return self._wrapped(text, "36")

    def quiet(self, text: str) -> str:
        """What is not the matter itself."""
        return self._wrapped(text, "2")

    def _wrapped(self, text: str, codes: str) -> str:
        if not self.colour or not text:
            return text
        # A background that runs over the end of a line fills the rest of it.
        lines = (f"\x1b[{codes}m{line}{RESET}" if line else "" for line in text.split("\n"))
        return "\n".join(lines)


def _index(colour: str) -> int:
    """The number of one of the 256 colours, by its hex value."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    if red == green == blue and red not in _CUBE:
        return 232 + (red - 8) // 10
    return 16 + 36 * _CUBE.index(red) + 6 * _CUBE.index(green) + _CUBE.index(blue)

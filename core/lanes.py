"""A lane is a reply at one α: its key in records, and the title and colour people see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.number_format import MINUS, signed

LETTERS = {"before": "B", "after": "A", "amplified": "α"}
LANES = ("before", "after", "amplified")
FIXED_ALPHA = {"before": -1.0, "after": 0.0}  # amplified runs at the live value
_FIXED = {alpha: name for name, alpha in FIXED_ALPHA.items()}


def lane_name(alpha: float) -> str:
    """The key of the lane that stays at this α: before, after, or the number: "+0.5", "-2".

    To its last digit: lanes are told apart by their keys, which transcripts contain.
    """
    return _FIXED.get(alpha) or signed(alpha).replace(MINUS, "-")


def lane_names(alphas: Sequence[float]) -> list[str]:
    """The keys of lanes that are decoded together, wherever they are asked for.

    A single α beside before and after is the amplified lane, which a chat goes on with. In a
    comparison in the chat that is the live lane, and every other one has its `lane_name`.
    """
    others = {alpha for alpha in alphas if alpha not in FIXED_ALPHA.values()}
    alone = others if len(others) == 1 else ()
    return ["amplified" if alpha in alone else lane_name(alpha) for alpha in alphas]


def lane_title(alpha: float) -> str:
    """What a lane at this α is called wherever people read: before, after, "α +0.5", "α −2"."""
    return _FIXED.get(alpha) or f"{LETTERS['amplified']} {signed(alpha)}"


def lane_heading(alpha: float) -> str:
    """The title with its letter, for eyes and terminals without colour: "B before", "α +0.5"."""
    title = lane_title(alpha)
    return f"{LETTERS[title]} {title}" if title in LETTERS else title


def lane_colour(alpha: float) -> str:
    """Whose colour a lane at this α has: before's below 0, after's at 0, amplified's above."""
    return "before" if alpha < 0 else "amplified" if alpha else "after"


MOST_ALPHAS = 1000


def parse_alphas(text: str) -> list[float]:
    """The αs of numbers and ranges such as −1 0 0.5 or -1:3:0.25, whose end is included.

    Spaces, commas or semicolons stand between them. Raises UsageError.
    """
    found: list[float] = []
    for word in re.split(r"[\s,;]+", text.replace(MINUS, "-").strip(" ,;")):
        if word:
            found += _range(word)
        if len(found) > MOST_ALPHAS:
            raise UsageError(f"More than {MOST_ALPHAS:,} αs are too many: {word} goes beyond.")
    return found


def _range(word: str) -> list[float]:
    """Decimals, so that 0.1 taken three times is 0.3."""
    try:
        first, *rest = map(Decimal, word.split(":"))
        last, step = rest or (first, Decimal(1))
        if step > 0 and last >= first:
            steps = min(int((last - first) / step), MOST_ALPHAS)
            return [float(first + n * step) + 0.0 for n in range(steps + 1)]
    except (ArithmeticError, ValueError):
        pass
    raise UsageError(f"{word} is no finite number, and no range FROM:TO:STEP such as -1:3:0.25.")

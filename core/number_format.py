"""Numbers as they are written on the screen and in every document."""

from __future__ import annotations

import math

MINUS = "−"


def signed(alpha: float) -> str:
    """An α with its sign, to its last digit: +1.5, −1, 0.

    Never rounded: α = 0 is exactly the model after, and nothing else may look like it.
    """
    if alpha == 0:
        return "0"
    return ("+" if alpha > 0 else "") + repr(alpha).removesuffix(".0").replace("-", MINUS)


def nats(value: float) -> str:
    """A log-probability, a divergence or an entropy, in nats."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:.2f}".replace("-", MINUS)

"""What a token's colour says: a number of its step, the level it reaches, and the colours.

Shared by the screen and the exports, so that a picture means the same in both.
Every colour is one of the 256 that any terminal has. What diverges around zero
goes from red to a green with blue in it, which colour-blind eyes tell apart;
what only grows gets lighter on dark ground and darker on light. Levels that
matter also have a mark, for eyes and terminals without colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from logit_amp_chat.core.analysis.palette import _GROUNDS, Colours, _readable
from logit_amp_chat.core.records import Step

Mark = Literal["", "bold", "underline"]


@dataclass(frozen=True)
class TokenMetric:
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


TOKEN_METRICS: dict[str, TokenMetric] = {
    metric.id: metric
    for metric in (
        TokenMetric(
            "kl",
            "KL(after‖before)",
            "nats",
            "how much training changed what could be said here",
            lambda step: step.kl,
            (0.1, 0.3, 1.0, 2.0, 4.0),
            1.0,
        ),
        TokenMetric(
            "shift",
            "Δ log p",
            "nats",
            "log-probability that training gave this token or took from it",
            _shift,
            (0.25, 0.5, 1.0, 2.0, 4.0),
            1.0,
            diverging=True,
        ),
        TokenMetric(
            "rank",
            "rank change",
            "ranks",
            "ranks that amplification lifted this token above its place in after",
            _climb,
            (1, 2, 5, 20, 100),
            1,
            diverging=True,
        ),
        TokenMetric(
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

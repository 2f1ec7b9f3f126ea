"""Metrics to colour tokens by: a number of the step, and the level it reaches.

Shared by the screen and the exports, so that a colour means the same in both.
Tokens that stand out also have a mark, for eyes and terminals without colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from logit_amp_chat.core.analysis.palette import Colours, Scale, level_colours
from logit_amp_chat.core.number_format import number
from logit_amp_chat.core.records import Step

Mark = Literal["", "bold", "underline"]


@dataclass(frozen=True)
class TokenMetric:
    """One number of a step to colour tokens by.

    Levels 1, 2 … begin at the magnitudes in `bounds`. From `hunk` on a token
    stands out, like a hunk in a diff. `diverging` metrics have negative levels too.
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
        """0 where the token gets no colour, up to ±len(bounds); NaN is 0."""
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
        """How a token that stands out looks without colour: bold for a rise, else underlined."""
        if not self.is_hunk(step):
            return ""
        return "bold" if self.diverging and self.value(step) > 0 else "underline"

    @property
    def marks(self) -> str:
        """Which tokens stand out, and how they look without colour: `≥ 1 nat underlined`."""
        unit = self.unit.removesuffix("s") if self.hunk == 1 else self.unit
        bound = f"{number(self.hunk)} {unit}"
        if self.diverging:
            return f"≥ +{bound} bold, ≤ −{bound} underlined"
        return f"≥ {bound} underlined"

    def colours(self, level: int, *, dark: bool) -> Colours | None:
        """The colours of a level; None for level 0."""
        if level == 0:
            return None
        scale: Scale = "size" if not self.diverging else "more" if level > 0 else "less"
        return level_colours(scale, abs(level), dark=dark)


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
            "how uncertain amplified was here",
            lambda step: step.entropy,
            (0.5, 1.0, 2.0, 3.0, 4.0),
            2.0,
        ),
    )
}

"""What a reply's steps come to: sums over all of it, and gauges over its newest tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from logit_amp_chat.core.records import Step

WINDOW = 32
"""Tokens that a gauge looks back on."""

LEFT_AFTER = -3.0
"""Mean log p_after, in nats a token, below which `after` would hardly write such a text.

e⁻³ a token is a perplexity of 20. A text that `after` writes itself, at temperature 1, has
its own entropy there, which for chat models is around 1.
"""
ENOUGH = 8
"""Tokens from which on a mean says something."""


@dataclass
class ReplyMeans:
    """Means over all steps of a reply, in nats; every step is looked at once."""

    tokens: int = 0
    _kl: float = 0.0
    _logp_after: float = 0.0

    def take(self, steps: Sequence[Step]) -> None:
        """Count the steps that came since the last time."""
        for place in range(self.tokens, len(steps)):
            self._kl += steps[place].kl
            self._logp_after += steps[place].logp.after
        self.tokens = len(steps)

    @property
    def kl(self) -> float:
        """Mean KL(after‖before); 0 without steps."""
        return self._kl / max(1, self.tokens)

    @property
    def logp_after(self) -> float:
        """Mean log-probability of what was said under after; 0 without steps."""
        return self._logp_after / max(1, self.tokens)


@dataclass(frozen=True)
class WindowMeans:
    """Means over the newest tokens of a reply, in nats."""

    tokens: int
    logp_after: float
    entropy: float
    kl: float

    @property
    def left_after(self) -> bool:
        """Whether the text has left what `after` finds plausible."""
        return self.tokens >= ENOUGH and self.logp_after < LEFT_AFTER


def window_means(steps: Sequence[Step], end: int | None = None) -> WindowMeans | None:
    """The gauges after `end` steps (default: all); None before the first."""
    end = len(steps) if end is None else end
    window = [steps[place] for place in range(max(0, end - WINDOW), end)]
    if not window:
        return None
    count = len(window)
    return WindowMeans(
        tokens=count,
        logp_after=sum(step.logp.after for step in window) / count,
        entropy=sum(step.entropy for step in window) / count,
        kl=sum(step.kl for step in window) / count,
    )

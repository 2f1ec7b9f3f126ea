"""A reply's steps as a whole: means over all and over the newest, and which matter most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from logit_amp_chat.core.records import Step

WINDOW = 32
"""Tokens that a window mean looks back on."""

LEFT_AFTER = -3.0
"""Mean log p_after, in nats per token, below which the text is unlikely under `after`.

−3 is a perplexity of 20. Text that `after` samples itself at temperature 1 has minus its
entropy there, for chat models about −1.
"""
ENOUGH = 8
"""Tokens needed before a mean is worth a warning."""


def by_kl(steps: Sequence[Step], given: int = 0) -> list[int]:
    """The indices of the steps, largest KL(after‖before) first, NaN last.

    The first `given` steps were not sampled and do not count.
    """
    return sorted(range(given, len(steps)), key=lambda place: _descending(steps[place].kl))


def most_changed(steps: Sequence[Step], given: int = 0) -> int | None:
    """The index of the token whose log-probability training changed most, |Δ|; None for none.

    The first `given` tokens were not sampled, and special tokens say little:
    they count only where there is no other.
    """
    sampled = list(range(given, len(steps))) or list(range(len(steps)))
    spoken = [place for place in sampled if not steps[place].special]
    return min(spoken or sampled, key=lambda place: _descending(_shift(steps[place])), default=None)


def _shift(step: Step) -> float:
    return abs(step.logp.after - step.logp.before)


def _descending(value: float) -> float:
    """A key that sorts the largest first, and NaN last."""
    return math.inf if math.isnan(value) else -value


@dataclass
class ReplyMeans:
    """Means over the sampled steps of a reply, in nats; each step is added once.

    The first `given` steps of the reply were not sampled and do not count.
    """

    given: int = 0
    tokens: int = 0
    _kl: float = 0.0
    _logp_after: float = 0.0

    def take(self, steps: Sequence[Step]) -> None:
        """Add the steps that are new since the last call."""
        for place in range(self.given + self.tokens, len(steps)):
            self._kl += steps[place].kl
            self._logp_after += steps[place].logp.after
        self.tokens = max(0, len(steps) - self.given)

    @property
    def kl(self) -> float:
        """Mean KL(after‖before); 0 without steps."""
        return self._kl / max(1, self.tokens)

    @property
    def logp_after(self) -> float:
        """Mean log p of the tokens under after; 0 without steps."""
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
        """Whether the text is unlikely under `after`."""
        return self.tokens >= ENOUGH and self.logp_after < LEFT_AFTER


def window_means(
    steps: Sequence[Step], end: int | None = None, given: int = 0
) -> WindowMeans | None:
    """The means over the window that ends after `end` steps (default: all); None for none.

    The first `given` steps were not sampled and do not count.
    """
    end = len(steps) if end is None else end
    window = [steps[place] for place in range(max(given, end - WINDOW), end)]
    if not window:
        return None
    count = len(window)
    return WindowMeans(
        tokens=count,
        logp_after=sum(step.logp.after for step in window) / count,
        entropy=sum(step.entropy for step in window) / count,
        kl=sum(step.kl for step in window) / count,
    )

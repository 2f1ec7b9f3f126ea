"""Sums over the tokens of a text that was read, and the figures they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from logit_amp_chat.core.analysis.hunks import log_ratio
from logit_amp_chat.core.number_format import finite
from logit_amp_chat.core.records import Step


@dataclass
class TextStats:
    """Sums over scored tokens, in nats; two of them add up to those of both texts."""

    threshold: float
    alphas: tuple[float, ...] = ()
    """The αs that log-probabilities were asked for, in the order of `logp_at`."""
    documents: int = 0
    tokens: int = 0
    logp_before: float = 0.0
    logp_after: float = 0.0
    logp_at: list[float] = field(default_factory=list)
    kl: float = 0.0
    max_kl: float = 0.0
    max_ratio: float = 0.0
    """The largest |log-ratio| of a token."""
    raised: int = 0
    """Tokens whose log-ratio reaches the threshold."""
    lowered: int = 0
    """Tokens whose negative log-ratio does."""

    def __post_init__(self) -> None:
        self.logp_at = self.logp_at or [0.0] * len(self.alphas)

    def add(self, steps: Sequence[Step], further: Sequence[Sequence[float]]) -> None:
        """Add tokens, and their log-probabilities at all αs but the first, if αs were asked for."""
        for step in steps:
            ratio = log_ratio(step)
            self.tokens += 1
            self.logp_before += step.logp.before
            self.logp_after += step.logp.after
            self.kl += step.kl
            self.max_kl = max(self.max_kl, step.kl)
            self.max_ratio = max(self.max_ratio, abs(ratio))
            self.raised += ratio > 0 and ratio >= self.threshold
            self.lowered += ratio < 0 and -ratio >= self.threshold
        if self.alphas:
            self.logp_at[0] += sum(step.logp.amplified for step in steps)
            for place, column in enumerate(zip(*further, strict=True), 1):
                self.logp_at[place] += sum(column)

    def merge(self, other: TextStats) -> None:
        """Add another text's sums, of the same αs."""
        for name in ("documents", "tokens", "logp_before", "logp_after", "kl", "raised", "lowered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.logp_at = [a + b for a, b in zip(self.logp_at, other.logp_at, strict=True)]
        self.max_kl = max(self.max_kl, other.max_kl)
        self.max_ratio = max(self.max_ratio, other.max_ratio)

    @property
    def log_ratio(self) -> float:
        """log p of the text under after − that under before."""
        return self.logp_after - self.logp_before

    @property
    def mean_ratio(self) -> float:
        """Mean log-ratio a token; NaN without tokens."""
        return self.log_ratio / self.tokens if self.tokens else math.nan

    @property
    def mean_kl(self) -> float:
        """Mean KL(after‖before) a token; NaN without tokens."""
        return self.kl / self.tokens if self.tokens else math.nan

    @property
    def notable(self) -> int:
        """Tokens that stand out."""
        return self.raised + self.lowered

    @property
    def share(self) -> float:
        """Share of the tokens that reach the threshold; NaN without tokens."""
        return self.notable / self.tokens if self.tokens else math.nan

    def perplexity(self, logp: float) -> float:
        """exp of the mean negative log-probability a token; NaN without tokens."""
        if not self.tokens:
            return math.nan
        mean = -logp / self.tokens
        return math.exp(mean) if mean < 709 else math.inf

    def figures(self) -> dict[str, object]:
        """Everything as plain values, for JSON; what is not a finite number is None."""
        sides = {"before": self.logp_before, "after": self.logp_after}
        alphas = zip(self.alphas, self.logp_at, strict=True)
        return {
            "documents": self.documents,
            "tokens": self.tokens,
            "logp": {name: finite(logp) for name, logp in sides.items()},
            "perplexity": {name: finite(self.perplexity(p)) for name, p in sides.items()},
            "log_ratio": finite(self.log_ratio),
            "mean_ratio": finite(self.mean_ratio),
            "max_ratio": finite(self.max_ratio),
            "mean_kl": finite(self.mean_kl),
            "max_kl": finite(self.max_kl),
            "share": finite(self.share),
            "raised": self.raised,
            "lowered": self.lowered,
            "at": [
                {"alpha": alpha, "logp": finite(p), "perplexity": finite(self.perplexity(p))}
                for alpha, p in alphas
            ],
        }

"""A text that was read as a table: one row per scored token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logit_amp_chat.core.analysis.hunks import Places, log_ratio
from logit_amp_chat.core.records import Document, Step

DIGITS = 6
"""Digits after the point that records keep of a log-probability."""


def columns(alphas: Sequence[float]) -> list[str]:
    """The names of the columns; `alphas` are those that log-probabilities were asked for."""
    return [
        *("source", "place", "message", "line", "column", "start", "end"),
        *("index", "token", "text", "special", "logp_before", "logp_after"),
        *(f"logp_at_{alpha!r}" for alpha in alphas),
        *("rank_before", "rank_after", "log_ratio", "kl", "entropy"),
    ]


class TokenRows:
    """Makes the rows of one document."""

    def __init__(self, document: Document, alphas: Sequence[float]) -> None:
        self._document = document
        self._places = Places(document)
        self._alphas = alphas

    def of(
        self, steps: Sequence[Step], further: Sequence[Sequence[float]]
    ) -> Iterator[list[object]]:
        """A row per step; `further` has its log-probabilities at all αs but the first."""
        for step, more in zip(steps, further or ((),) * len(steps), strict=True):
            place, p = self._places.of(step.index), step.logp
            yield [
                *(self._document.source, self._document.place),
                *(place.message, place.line, place.column),
                *self._document.offsets[step.index],
                *(step.index, step.token, step.text, step.special, p.before, p.after),
                *((p.amplified, *more) if self._alphas else ()),
                *(step.rank.before, step.rank.after),
                *(round(log_ratio(step), DIGITS), step.kl, step.entropy),
            ]

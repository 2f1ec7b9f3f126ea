"""Blamed tokens as rows of a table: a column a stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logit_amp_chat.core.analysis.hunks import Places
from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.records import Document

Value = str | int | float | bool | None
DECIMALS = 6


def columns(stages: Sequence[str]) -> list[str]:
    """The names of the columns; log-probabilities, changes and KL are in nats."""
    later = stages[1:]
    return [
        *("document", "source", "place", "message", "line", "column", "index", "token", "text"),
        *(f"logp_{name}" for name in stages),
        *(f"change_{name}" for name in later),
        *(f"kl_{name}" for name in later),
        *("total", "blamed", "notable"),
    ]


def token_rows(
    stages: Sequence[str], document: Document, tokens: Sequence[BlamedToken], threshold: float
) -> Iterator[list[Value]]:
    """A row a token, in the order of `columns`; a KL that was not measured is None."""
    places = Places(document)
    for one in tokens:
        start, end = document.offsets[one.index]
        place = places.of(one.index)
        yield [
            *(document.id, document.source, document.place),
            *(place.message, place.line, place.column, one.index, one.token),
            document.text[start:end],
            *one.logp,
            *(round(change, DECIMALS) for change in one.changes),
            *one.kl,
            round(one.total, DECIMALS),
            stages[one.blamed],
            one.size >= threshold,
        ]

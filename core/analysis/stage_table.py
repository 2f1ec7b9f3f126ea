"""A text that was read under the stages of a chain as a table: one row per scored token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logit_amp_chat.core.analysis.hunks import Places
from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.analysis.text_table import DIGITS
from logit_amp_chat.core.records import Document


def columns(stages: Sequence[str]) -> list[str]:
    """The names of the columns: those of a stage end in its name."""
    return [
        *("source", "place", "message", "line", "column", "start", "end"),
        *("index", "token", "text"),
        *(f"logp_{name}" for name in stages),
        *(f"change_{name}" for name in stages[1:]),
        *(f"kl_{name}" for name in stages[1:]),
        *("total", "blamed", "undone", "notable"),
    ]


def rows(
    stages: Sequence[str], document: Document, tokens: Sequence[BlamedToken]
) -> Iterator[list[object]]:
    """A row per token of a document; KL is None where it was not measured."""
    places = Places(document)
    for one in tokens:
        place = places.of(one.index)
        start, end = document.offsets[one.index]
        yield [
            *(document.source, document.place),
            *(place.message, place.line, place.column),
            *(start, end, one.index, one.token, document.text[start:end]),
            *one.logp,
            *(round(change, DIGITS) for change in one.changes),
            *one.kl,
            round(one.total, DIGITS),
            stages[one.blamed],
            one.is_undone,
            one.size >= document.threshold,
        ]

"""Texts that were read, on the page: figures, and hunks of tokens with their candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from logit_amp_chat.core.export import describe_reading
from logit_amp_chat.core.export.page_tokens import (
    PageTokens,
    html_data,
    html_text,
    metric_classes,
    span,
)
from logit_amp_chat.core.export.readings import Passage, Reading, in_order
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.records import Session

LEGEND = (
    "Tokens in frames stand out: after made them likelier (+) or less likely (−) than before, by"
    " the threshold of their text or more."
)
_SIGNS = {"": [], "+": ["x", "more"], "−": ["x", "less"]}


def sections(
    readings: Sequence[Reading], first: Session | None, tokens: PageTokens
) -> Iterator[str]:
    """An overview, and a section for every text; `first` is the page's session."""
    shown, rest = in_order(readings)
    names = {id(reading): f"d{number}" for number, reading in enumerate(shown, 1)}
    yield _overview(readings, names)
    if any(reading.passages for reading in shown):
        yield f'<p class="meta">{LEGEND}</p>'
    number = 0
    for reading in shown:
        hunks: list[str] = []
        for passage in reading.passages.values():
            number += 1
            hunks.append(_hunk(reading, passage, f"h{number}", tokens))
        yield _section(reading, first, names[id(reading)], hunks)
    if rest:
        yield f'<p class="meta">{describe_reading.without_hunks(rest)}</p>'


def _overview(readings: Sequence[Reading], names: Mapping[int, str]) -> str:
    """A table of several texts, with links to their sections by `id` of the reading."""
    rows = []
    for reading, (title, *cells) in describe_reading.overview(readings):
        name, text = names.get(id(reading)), html_text(title)
        first = f'<a href="#{name}">{text}</a>' if name else text
        rows.append("".join(f"<td>{cell}</td>" for cell in (first, *map(html_text, cells))))
    if not rows:
        return ""
    head = "".join(f"<th>{html_text(cell)}</th>" for cell in describe_reading.HEAD)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    caption = f"<caption>{describe_reading.OVERVIEW}</caption>"
    return f'<section class="turn overview"><table>{caption}<tr>{head}</tr>{body}</table></section>'


def _section(reading: Reading, first: Session | None, name: str, hunks: Sequence[str]) -> str:
    facts = "<br>".join(map(html_text, describe_reading.facts(reading, first)))
    title = html_text(describe_reading.title(reading.document))
    return (
        f'<section class="turn document" id="{name}"><h2>{title}</h2>'
        f'<p class="meta">{facts}</p>{"".join(hunks)}</section>'
    )


def _hunk(reading: Reading, passage: Passage, data: str, tokens: PageTokens) -> str:
    figures = [tokens.figures(step, f"α {signed(step.alpha)}") for step in passage.steps]
    where = html_text(str(passage.place))
    head = f"{where}<small> · {html_text(describe_reading.figures(passage))}</small>"
    return (
        f'<article class="hunk"><h3>{head}</h3>'
        f'<div class="text" dir="auto" data-steps="{data}" data-first="{passage.steps[0].index}"'
        f' data-total="{reading.scored}">{"".join(_tokens(passage))}</div>'
        f"{_wanted(passage)}"
        f'<script type="application/json" id="{data}">{html_data(figures)}</script></article>'
    )


def _tokens(passage: Passage) -> Iterator[str]:
    for piece in describe_reading.pieces(passage):
        classes = metric_classes(piece.step)
        classes += ["sp"] if piece.step.special else []
        classes += _SIGNS[piece.sign]
        yield span(piece.text, classes) + piece.breaks


def _wanted(passage: Passage) -> str:
    """The strongest token of a hunk, and what each side wanted there."""
    step, text = passage.strongest
    rows = [f'<p class="wanted">{escape(describe_reading.strongest(step, text))}</p>']
    for side, said in describe_reading.wanted(step.top):
        best = f'<b class="{side}">{side}</b> wanted {escape(said)}'
        rows.append(f'<p class="wanted">{best}</p>')
    return "".join(rows)

"""What a sweep found, as HTML for a notebook: sentences and tables, without a script.

Styles are written into the elements, because a notebook may drop a stylesheet.
"""

from __future__ import annotations

from collections.abc import Iterable

from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.result import SweepResult
from logit_amp_chat.core.export.notebook import QUIET
from logit_amp_chat.core.export.page_tokens import html_text

WIDE = "max-width:60em"
CELL = "text-align:right;padding:0 .6em"


def fragment(result: SweepResult) -> str:
    """The estimate of each behaviour, and its rates at each α."""
    about = " · ".join(wording.scope(result))
    parts = [f'<div style="{QUIET}">{html_text(about)}</div>']
    if not result.behaviours:
        parts.append(table(wording.REPLIES_HEAD, map(wording.replies_text, result.alphas)))
    for found in result.behaviours:
        definition = html_text(wording.definition(found))
        said = html_text(
            " ".join([*wording.judgement(found), *wording.estimate_sentences(found, result)])
        )
        parts.append(
            f'<p style="{WIDE}"><b>{html_text(found.name)}</b> <span style="{QUIET}">{definition}'
            f"</span><br>{said}</p>"
        )
        rows = (wording.rate_text(rate, found.numeric) for rate in found.rates)
        parts.append(table(wording.rates_head(found.numeric), rows))
    if result.behaviours:
        note = html_text(wording.discovery(result.settings.target))
        parts.append(f'<div style="{QUIET}">{note}</div>')
    return "".join(parts)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table with its styles in it."""
    heads = "".join(f'<th style="{CELL}">{html_text(cell)}</th>' for cell in head)
    lines = (
        "".join(f'<td style="{CELL}">{html_text(cell)}</td>' for cell in cells) for cells in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><tr>{heads}</tr>{body}</table>"

"""What a sweep found, as HTML for a notebook: sentences and tables, without a script.

Styles are written into the elements, because a notebook may drop a stylesheet.
"""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, SweepResult
from logit_amp_chat.core.export.notebook import QUIET
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.number_format import nats, percent, signed

WIDE = "max-width:60em"
CELL = "text-align:right;padding:0 .6em"


def fragment(result: SweepResult) -> str:
    """The estimate of each behaviour, and its rates at each α."""
    about = " · ".join(wording.scope(result))
    parts = [f'<div style="{QUIET}">{html_text(about)}</div>']
    if not result.behaviours:
        parts.append(
            _table(("α", "replies", "KL", "log p after", "tokens", "cut off"), _replies(result))
        )
    for found in result.behaviours:
        definition = html_text(wording.definition(found))
        said = html_text(
            " ".join([*wording.judgement(found), *wording.estimate_sentences(found, result)])
        )
        kind = "mean" if found.numeric else "rate"
        hits = "sum" if found.numeric else "hits"
        parts.append(
            f'<p style="{WIDE}"><b>{html_text(found.name)}</b> <span style="{QUIET}">{definition}'
            f"</span><br>{said}</p>"
        )
        parts.append(_table(("α", "replies", hits, kind, "95% interval"), _rates(found)))
    if result.behaviours:
        note = html_text(wording.discovery(result.settings.target))
        parts.append(f'<div style="{QUIET}">{note}</div>')
    return "".join(parts)


def _replies(result: SweepResult) -> Iterator[tuple[str, ...]]:
    for one in result.alphas:
        kl = "–" if one.kl is None else nats(one.kl)
        after = "–" if one.log_p_after is None else nats(one.log_p_after)
        cut = percent(one.cut)
        yield signed(one.alpha), f"{one.replies:,}", kl, after, f"{one.length:.1f}", cut


def _rates(found: BehaviourResult) -> Iterator[tuple[str, ...]]:
    for rate in found.rates:
        figures = wording.rate_text(rate, found.numeric)
        yield signed(rate.alpha), f"{rate.replies:,}", *figures


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    heads = "".join(f'<th style="{CELL}">{html_text(cell)}</th>' for cell in head)
    lines = (
        "".join(f'<td style="{CELL}">{html_text(cell)}</td>' for cell in cells) for cells in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><tr>{heads}</tr>{body}</table>"

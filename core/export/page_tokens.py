"""Tokens as the page has them: classes that colour them, and the figures that its script shows."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from html import escape

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS, TokenMetric
from logit_amp_chat.core.records import Candidate, Step
from logit_amp_chat.core.text import visible

CANDIDATES = 10
"""Candidates per step in the page: the most likely under any of the three."""


def html_text(text: str, *, newlines: bool = False) -> str:
    """Any text as HTML text or a quoted attribute."""
    return escape(visible(text, newlines=newlines))


def html_data(value: object) -> str:
    """JSON that is safe inside a script element, with `<`, `>` and `&` escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def metric_class(metric: TokenMetric, what: int | str) -> str:
    """The CSS class of a level or a mark: k3, s_2 for −2, ku."""
    return metric.id[0] + str(what).replace("-", "_")


def metric_classes(step: Step) -> list[str]:
    """The CSS classes of a token's level and mark in every metric."""
    found = []
    for metric in TOKEN_METRICS.values():
        if level := metric.level(step):
            found.append(metric_class(metric, level))
        if mark := metric.mark(step):
            found.append(metric_class(metric, mark[0]))
    return found


def span(text: str, classes: Collection[str]) -> str:
    """A token's element; its text must be visible already."""
    mark = f' class="{" ".join(classes)}"' if classes else ""
    return f"<span{mark}>{escape(text)}</span>"


class PageTokens:
    """The tokens of a page, each of which is in it once; figures name them by their number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], int] = {}

    def data(self) -> str:
        """All tokens as the page's script reads them: [id, text] by number."""
        return html_data(list(self._numbers))

    def figures(self, step: Step, heading: str, removed: Collection[int] = ()) -> list[object]:
        """What the script shows of a step under `heading`; τ has `removed` these token ids."""
        p, rank, best = step.logp, step.rank, _best(step)
        candidates: list[object] = []
        for one in best:
            candidates += [
                self._number(one.id, one.text),
                *map(_json_number, (one.before, one.after, one.amplified)),
            ]
        return [
            heading,
            self._number(step.token, step.text),
            *map(_json_number, (step.kl, step.kl_amplified, step.entropy)),
            [*map(_json_number, (p.before, p.after, p.amplified))],
            [rank.before, rank.after, rank.amplified],
            candidates,
            [self._number(one.id, one.text) for one in best if one.id in removed],
        ]

    def _number(self, id: int, text: str) -> int:
        return self._numbers.setdefault((id, visible(text)), len(self._numbers))


def _json_number(value: float) -> float | str | None:
    """A number for JSON: None for −∞, a string for ∞ and NaN."""
    if math.isfinite(value):
        return round(value, 6)
    return None if value < 0 else "∞" if value > 0 else "–"


def _best(step: Step) -> list[Candidate]:
    """The most likely candidates under any of the three, and the chosen one."""

    def weight(one: Candidate) -> float:
        known = [p for p in (one.before, one.after, one.amplified) if not math.isnan(p)]
        return max(known, default=-math.inf)

    best = sorted(step.top, key=weight, reverse=True)
    return best[:CANDIDATES] + [c for c in best[CANDIDATES:] if c.id == step.token]

"""The table of an opening, for every kind of document."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from logit_amp_chat.core.analysis.openings import (
    OpeningRow,
    Probabilities,
    path_probabilities,
    summary,
)
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.lanes import LANES, LETTERS
from logit_amp_chat.core.number_format import count, delta, fraction, nats, signed
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.opening_log import OpeningLog

ROWS = 20
HEAD = ("token", *(LETTERS[lane] for lane in LANES), "Δ A−B")


def title(log: OpeningLog, first: Session | None) -> str:
    """Which opening it is; also of which models, where they are not those of `first`."""
    opening = log.opening
    begun = "".join(token.text for token in opening.path)
    parts = [f"Openings{f' after “{begun}”' if opening.path else ''} at α {signed(opening.alpha)}"]
    if opening.ends != "mix":
        parts.append(f"ends {opening.ends}")
    if log.session and first and not describe.same_pair(log.session, first):
        parts += describe.pair(log.session)
    return visible(" · ".join(parts), newlines=False)


def figures(log: OpeningLog) -> str:
    """The probability of the path, and the divergences and entropy of what follows it."""
    opening = log.opening
    path = zip(LANES, _cells(path_probabilities(opening)), strict=True)
    parts = [f"path {' '.join(f'{LETTERS[lane]} {p}' for lane, p in path)}"] if opening.path else []
    parts.append(
        f"KL(after‖before) {nats(opening.kl)}, KL(amplified‖after) {nats(opening.kl_amplified)},"
        f" entropy of amplified {nats(opening.entropy)} nats"
    )
    return " · ".join(parts)


def cells(log: OpeningLog) -> list[tuple[str, ...]]:
    """The cells below HEAD: what training raised and lowered most, and the rest."""
    return [_row(row) for row in summary(log.opening, ROWS)]


def to_html(logs: Sequence[OpeningLog], first: Session | None) -> str:
    """Tables that are folded at first; nothing if there are none."""
    if not logs:
        return ""
    tables = "".join(_table(log, first) for log in logs)
    head = count(len(logs), "opening")
    return f'<details class="others"><summary>{head}</summary>{tables}</details>'


def _table(log: OpeningLog, first: Session | None) -> str:
    kinds = ("name", *LANES, "")
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    rows = "".join(f"<tr>{''.join(map(_cell, kinds, row))}</tr>" for row in cells(log))
    return (
        f"<h3>{escape(title(log, first))}</h3>"
        f'<p class="meta">{escape(figures(log))}</p>'
        f'<table class="opening"><tr>{head}</tr>{rows}</table>'
    )


def _cell(kind: str, text: str) -> str:
    mark = f' class="{kind}"' if kind else ""
    return f"<td{mark}>{escape(text)}</td>"


def _row(row: OpeningRow) -> tuple[str, ...]:
    name = "the rest" if row.token is None else f"“{visible(row.text, newlines=False)}”"
    return f"{name} buried" if row.buried else name, *_cells(row.p), delta(row.delta, 0)


def _cells(p: Probabilities) -> list[str]:
    return [fraction(one).strip() for one in p]

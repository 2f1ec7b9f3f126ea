"""What `loss` prints: a table with a curve of block characters, JSON, or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator

import numpy as np

from logit_amp_chat.core.analysis.loss_curve import LossRow
from logit_amp_chat.core.api.loss import COLUMNS, LossCurve
from logit_amp_chat.core.experiments.loss import Loss
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.number_format import MINUS, SPARKS, count, nats, perplexity, signed
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.commands.sources import refused_figures
from logit_amp_chat.tui.commands.styles import Styles

WIDTH, HEIGHT = 64, 8
"""Cells of the curve."""


def as_text(session: Session, curve: LossCurve, styles: Styles) -> str:
    """A line an α, the curve, and what it is of."""
    lines = [*_head(session, curve, styles), *_table(curve, styles), "", *_chart(curve, styles)]
    return "\n".join(lines) + "\n"


def as_json(loss: Loss, curve: LossCurve) -> str:
    """Everything as one JSON object."""
    session = json.loads(to_line(loss.session))
    found = {"session": session, **curve.figures(), "refused": refused_figures(loss.refused)}
    return json.dumps(found, ensure_ascii=False, indent=2)


def as_csv(curve: LossCurve) -> str:
    """One row an α."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([getattr(row, name) for name in COLUMNS] for row in curve.rows)
    return text.getvalue()


def _head(session: Session, curve: LossCurve, styles: Styles) -> Iterator[str]:
    before, after = (visible(name, newlines=False) for name in describe.pair(session))
    yield f"{styles.lane('α −1 ', 'before')} {before}"
    yield f"{styles.lane('α  0 ', 'after')} {after}"
    texts = count(len(curve.documents), "text")
    yield f"{count(curve.tokens, 'token')} of {texts}; loss in nats per token, ± standard error"
    yield ""


def _table(curve: LossCurve, styles: Styles) -> Iterator[str]:
    width = max(5, *(len(signed(row.alpha)) for row in curve.rows))
    yield styles.quiet(
        f"{'α':>{width}}  {'loss ± SE':^19}  {'perplexity':>11}  {'difference from α 0 ± SE':>24}"
    )
    least = curve.minimum
    for row in curve.rows:
        line = f"{signed(row.alpha):>{width}}  {_row(row)}"
        yield styles.bold(f"{line:<{width + 58}}  ◂ least") if row is least else line


def _row(row: LossRow) -> str:
    loss = f"{_fixed(row.loss):>9} ± {_fixed(row.error):<7}"
    moved = f"{_fixed(row.difference, sign=True):>14} ± {_fixed(row.difference_error)}"
    return f"{loss}  {perplexity(row.perplexity):>11}  {moved}"


def _fixed(value: float, *, sign: bool = False) -> str:
    """A loss in four decimals, with its sign if it is a difference."""
    if not math.isfinite(value):
        return nats(value)
    text = f"{value:+z.4f}" if sign and value else f"{value:z.4f}"
    return text.replace("-", MINUS)


def _chart(curve: LossCurve, styles: Styles) -> Iterator[str]:
    """The curve in a few lines of blocks; nothing where fewer than three losses are finite."""
    rows = [row for row in curve.rows if math.isfinite(row.loss)]
    if len(rows) < 3:
        return
    alphas, losses = [row.alpha for row in rows], [row.loss for row in rows]
    low, high = min(losses), max(losses)
    drawn = np.interp(np.linspace(alphas[0], alphas[-1], WIDTH), alphas, losses)
    eighths = 1 + np.rint((drawn - low) / ((high - low) or 1.0) * (8 * HEIGHT - 1)).astype(int)
    labels = {0: f"{high:.2f}", HEIGHT - 1: f"{low:.2f}"}
    margin = max(map(len, labels.values()))
    for line in range(HEIGHT):
        filled = np.clip(eighths - 8 * (HEIGHT - 1 - line), 0, 8)
        cells = "".join(SPARKS[n - 1] if n else " " for n in filled.tolist())
        label = styles.quiet(f"{labels.get(line, ''):>{margin}} ")
        yield f"{label}{styles.lane(cells.rstrip(), 'amplified')}"
    ends = {alphas[0]: f"α {signed(alphas[0])}", alphas[-1]: signed(alphas[-1])}
    for marks in (ends, {0.0: "after", -1.0: "before"}):
        yield styles.quiet(f"{'':{margin}} {_axis(marks, alphas[0], alphas[-1])}".rstrip())


def _axis(marks: dict[float, str], first: float, last: float) -> str:
    """The names of αs where they are, as far as there is room."""
    cells = [" "] * WIDTH
    for alpha, name in marks.items():
        if not first <= alpha <= last:
            continue
        at = round((alpha - first) / (last - first) * (WIDTH - 1)) - len(name) // 2
        at = max(0, min(at, WIDTH - len(name)))
        around = cells[max(0, at - 1) : at + len(name) + 1]
        if not any(cell.strip() for cell in around):
            cells[at : at + len(name)] = name
    return "".join(cells)

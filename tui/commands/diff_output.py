"""What `diff` prints, in each of its forms: from the events of a diff to pieces of text."""

from __future__ import annotations

import csv
import heapq
import io
import json
from collections.abc import Callable, Iterator, Sequence

from logit_amp_chat.core.analysis.hunks import Hunk, log_ratio
from logit_amp_chat.core.analysis.text_table import TokenRows, columns
from logit_amp_chat.core.experiments.diff import Diff, DiffEvent, DocumentDiff
from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.readings import Readings
from logit_amp_chat.core.reading import ReadBlock
from logit_amp_chat.core.records import Document
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.commands import diff_stat
from logit_amp_chat.tui.commands.diff_text import DiffText
from logit_amp_chat.tui.commands.sources import refused_figures
from logit_amp_chat.tui.commands.styles import Styles

Output = Callable[[Diff, Iterator[DiffEvent], Styles], Iterator[str]]


def hunks(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """Every hunk, then the figures."""
    text, shown, begun = DiffText(styles), "", False
    for event in events:
        if isinstance(event, Hunk):
            if not begun:
                yield text.legend(diff.session, diff.settings.threshold)
                begun = True
            if shown != event.document.id:
                yield text.document(event.document)
                shown = event.document.id
            yield text.hunk(event)
    yield "\n"
    yield from diff_stat.table(diff, styles)


def strongest(most: int, diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """The `most` strongest hunks of all texts, the strongest first, then the figures."""
    best: list[tuple[float, int, Hunk]] = []
    for number, event in enumerate(events):
        if isinstance(event, Hunk):
            entry = (abs(log_ratio(event.strongest)), -number, event)
            if len(best) < most:
                heapq.heappush(best, entry)
            else:
                heapq.heappushpop(best, entry)
    text = DiffText(styles)
    if best:
        yield text.legend(diff.session, diff.settings.threshold)
    for *_, hunk in sorted(best, key=lambda entry: entry[:2], reverse=True):
        yield text.document(hunk.document)
        yield text.hunk(hunk)
    yield "\n"
    yield from diff_stat.table(diff, styles)


def stat(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """The figures of every file alone."""
    for _ in events:
        pass
    yield from diff_stat.table(diff, styles)


def jsonl(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """A session, and of every document its record, a step a token, a finish."""
    yield to_line(diff.session) + "\n"
    for event in events:
        match event:
            case Document():
                yield to_line(event) + "\n"
            case ReadBlock(steps=steps):
                yield "".join(to_line(step) + "\n" for step in steps)
            case DocumentDiff(finish=finish):
                yield to_line(finish) + "\n"


def page(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """The page of a transcript, with the strongest hunks of every document."""
    found = Readings(diff.settings.context, every_alpha=True)
    for event in events:
        match event:
            case Document():
                found.begin(event, diff.session)
            case ReadBlock(steps=steps, further=further):
                found.add(steps, further)
            case DocumentDiff(finish=finish):
                found.end(finish)
    found.end(None)
    yield to_html([diff.session], found.all)


def summary(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """The figures as one JSON object."""
    for _ in events:
        pass
    files = [{"file": name, **stats.figures()} for name, stats in diff.files.items()]
    found = {
        "session": json.loads(to_line(diff.session)),
        "threshold": diff.settings.threshold,
        "complete": not diff.cancelled,
        "files": files,
        "total": diff.total.figures(),
        "refused": refused_figures(diff.refused),
    }
    yield json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def rows(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """One row per token, as CSV."""
    alphas = diff.settings.alphas
    yield _row(columns(alphas))
    table: TokenRows | None = None
    for event in events:
        match event:
            case Document():
                table = TokenRows(event, alphas)
            case ReadBlock(steps=steps, further=further):
                assert table is not None
                yield "".join(map(_row, table.of(steps, further)))


def _row(cells: Sequence[object]) -> str:
    line = io.StringIO()
    values = (int(cell) if isinstance(cell, bool) else cell for cell in cells)
    # a carriage return alone would not be quoted
    csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerow(values)
    return line.getvalue()

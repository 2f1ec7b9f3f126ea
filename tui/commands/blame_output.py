"""What `diff --blame` prints, in each of its forms."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from logit_amp_chat.core.analysis.stage_blame import BlamedToken, BlameHunk, StageStats
from logit_amp_chat.core.analysis.stage_table import columns
from logit_amp_chat.core.analysis.stage_table import rows as table_rows
from logit_amp_chat.core.experiments.blame import Blame, DocumentBlame
from logit_amp_chat.core.export.blame_page import blame_page, likeliest
from logit_amp_chat.core.number_format import count, delta, finite, in_nats, nats
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.commands.blame_text import BlameText
from logit_amp_chat.tui.commands.sources import refused_figures
from logit_amp_chat.tui.commands.styles import Styles

Header = Callable[[], dict[str, Any]]
Output = Callable[[Blame, Iterator[DocumentBlame], Styles, Header], Iterator[str]]


def hunks(
    blame: Blame, documents: Iterator[DocumentBlame], styles: Styles, header: Header
) -> Iterator[str]:
    """Every hunk with the stages beside it, then the figures."""
    text = BlameText(blame, styles)
    for found in documents:
        if found.hunks:
            yield text.document(found)
            for hunk in found.hunks:
                yield text.hunk(hunk)
    yield "\n"
    yield from stat(blame, iter(()), styles, header)


def strongest(
    most: int,
    blame: Blame,
    documents: Iterator[DocumentBlame],
    styles: Styles,
    header: Header,
) -> Iterator[str]:
    """The `most` strongest hunks of all texts, the strongest first, then the figures."""
    found: list[tuple[float, DocumentBlame, BlameHunk]] = []
    for one in documents:
        found += [(hunk.strongest.size, one, hunk) for hunk in one.hunks]
        found = sorted(found, key=lambda entry: -entry[0])[:most]
    text = BlameText(blame, styles)
    for _, one, hunk in found:
        yield text.document(one)
        yield text.hunk(hunk)
    yield "\n"
    yield from stat(blame, iter(()), styles, header)


def stat(
    blame: Blame, documents: Iterator[DocumentBlame], styles: Styles, header: Header
) -> Iterator[str]:
    """How much each stage did, by file and in total."""
    for _ in documents:
        pass
    if not blame.files:
        return
    rows = [*blame.files.items(), *([("total", blame.total)] if len(blame.files) > 1 else [])]
    for name, stats in rows:
        yield styles.bold(visible(name, newlines=False) or "text")
        yield f"  {count(stats.tokens, 'token')}, log-ratio {delta(stats.total, 0)} nats"
        yield f", {count(stats.notable, 'token')} ≥ {in_nats(blame.threshold)}\n"
        yield from _stages(stats, styles)


def _stages(stats: StageStats, styles: Styles) -> Iterator[str]:
    width = max(map(len, stats.stages))
    heads = ("log-ratio", "mean KL", "raised", "lowered", "most of it by")
    yield styles.quiet(f"  {'':<{width}}" + "".join(f"  {head:>13}" for head in heads)) + "\n"
    for n, name in enumerate(stats.stages[1:], 1):
        kl = stats.mean_kl(n)
        share = f" ({stats.share(n):.0%})" if stats.notable else ""
        cells = (
            delta(stats.change(n), 0),
            "not measured" if kl is None else nats(kl),
            f"{stats.raised[n]:,}",
            f"{stats.lowered[n]:,}",
            f"{stats.blamed[n]:,}{share}",
        )
        yield f"  {name:<{width}}" + "".join(f"  {cell:>13}" for cell in cells) + "\n"
    if any(kl is None for kl in stats.kl):
        yield styles.quiet(
            "  KL is measured between stages that are in memory together; these were not.\n"
        )


def summary(
    blame: Blame, documents: Iterator[DocumentBlame], styles: Styles, header: Header
) -> Iterator[str]:
    """The figures as one JSON object."""
    for _ in documents:
        pass
    found = {**header(), **blame.figures(), "refused": refused_figures(blame.refused)}
    yield json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def jsonl(
    blame: Blame, documents: Iterator[DocumentBlame], styles: Styles, header: Header
) -> Iterator[str]:
    """The stages, and of every document its record, a line a token, a finish."""
    begun = False
    for found in documents:
        if not begun:
            yield json.dumps({"type": "stages", **header()}, ensure_ascii=False) + "\n"
            begun = True
        yield to_line(found.document) + "\n"
        for one in found.tokens:
            yield json.dumps(_token(blame, found, one), ensure_ascii=False) + "\n"
        yield to_line(found.finish) + "\n"


def _token(blame: Blame, found: DocumentBlame, one: BlamedToken) -> dict[str, object]:
    start, end = found.document.offsets[one.index]
    found_kl = (None if kl is None else finite(kl) for kl in one.kl)
    return {
        "type": "blamed",
        "document": found.document.id,
        "index": one.index,
        "token": one.token,
        "text": found.document.text[start:end],
        "logp": dict(zip(blame.stages, map(finite, one.logp), strict=True)),
        "change": dict(zip(blame.stages[1:], map(finite, one.changes), strict=True)),
        "kl": dict(zip(blame.stages[1:], found_kl, strict=True)),
        "best": dict(zip(blame.stages, (token for token, _ in one.best), strict=True)),
        "blamed": blame.stages[one.blamed],
        "undone": one.is_undone,
        "notable": one.size >= blame.threshold,
    }


def rows(
    blame: Blame, documents: Iterator[DocumentBlame], styles: Styles, header: Header
) -> Iterator[str]:
    """One row per token, as CSV: a column a stage."""
    yield _row(columns(blame.stages))
    for found in documents:
        yield from map(_row, table_rows(blame.stages, found.document, found.tokens))


def _row(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def page(
    blame: Blame, documents: Iterator[DocumentBlame], styles: Styles, header: Header
) -> Iterator[str]:
    """A page with every text, its tokens marked by stage."""
    found = [(one.document, one.tokens) for one in documents]
    names = blame.names(likeliest(found))
    yield blame_page(blame.stages, found, blame.threshold, blame.total, names)

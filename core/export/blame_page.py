"""Blamed texts as one self-contained page: every token, with its stages where it stands out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from string import Template

from logit_amp_chat.core.analysis.stage_blame import BlamedToken, StageStats
from logit_amp_chat.core.export import page_parts
from logit_amp_chat.core.export.describe_reading import title
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.number_format import count, delta, in_nats, nats, probability
from logit_amp_chat.core.records import Document
from logit_amp_chat.core.text import visible

Names = Callable[[Sequence[int]], Mapping[int, str]]

LEGEND = (
    "A line under a token: the chain made it likelier (solid) or less likely (dotted), or a stage"
    " moved it and others moved it back (dashed). The small name is the stage that did most of"
    " it; point at a token for all stages."
)


def blame_page(
    stages: Sequence[str],
    documents: Sequence[tuple[Document, Sequence[BlamedToken]]],
    threshold: float,
    total: StageStats,
    names: Names,
) -> str:
    """The whole page; `names` says how token ids are written."""
    page = page_parts.file("page.css").replace("$colours", page_parts.themes(light={}, dark={}))
    style = "\n" + Template(page_parts.file("blame.css")).substitute(page=page)
    about = [
        " → ".join(stages),
        f"{count(total.tokens, 'scored token')}, {total.notable:,} moved by"
        f" {in_nats(threshold)} or more",
        LEGEND,
    ]
    written = names(_ids(documents, threshold))
    body = [_table(total)]
    body += [_section(stages, *document, threshold, written) for document in documents]
    return Template(page_parts.file("blame.html")).substitute(
        title=html_text(f"Blame: {' → '.join(stages)}"),
        about="".join(f"<li>{html_text(line)}</li>" for line in about),
        body="\n".join(body),
        style=style,
        style_hash=page_parts.policy_hash(style),
    )


def _ids(
    documents: Sequence[tuple[Document, Sequence[BlamedToken]]], threshold: float
) -> list[int]:
    """The ids that the page writes: what stages found likeliest where a token stands out."""
    found = (one for _, tokens in documents for one in tokens if one.size >= threshold)
    return list(dict.fromkeys(token for one in found for token, _ in one.best))


def _table(total: StageStats) -> str:
    heads = ("stage", "log-ratio", "mean KL", "raised", "lowered", "most of it")
    rows = []
    for n, name in enumerate(total.stages[1:], 1):
        kl = total.mean_kl(n)
        cells = (
            name,
            delta(total.change(n), 0),
            "not measured" if kl is None else nats(kl),
            f"{total.raised[n]:,}",
            f"{total.lowered[n]:,}",
            f"{total.blamed[n]:,}",
        )
        rows.append("<tr>" + "".join(f"<td>{html_text(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _section(
    stages: Sequence[str],
    document: Document,
    tokens: Sequence[BlamedToken],
    threshold: float,
    written: Mapping[int, str],
) -> str:
    spans = "".join(_spans(stages, document, tokens, threshold, written))
    heading = html_text(title(document))
    return f'<section><h2>{heading}</h2><div class="blamed" dir="auto">{spans}</div></section>'


def _spans(
    stages: Sequence[str],
    document: Document,
    tokens: Sequence[BlamedToken],
    threshold: float,
    written: Mapping[int, str],
) -> Iterator[str]:
    """The text from the first scored token on; a stage's name where another one begins."""
    end = document.offsets[tokens[0].index][0] if tokens else 0
    last: int | None = None
    for one in tokens:
        start, stop = document.offsets[one.index]
        yield escape(visible(document.text[end:start]))
        text = escape(visible(document.text[max(start, end) : stop]))
        end = max(end, stop)
        if one.size < threshold:
            yield text
            continue
        stage = one.blamed
        kind = "undone" if one.is_undone else "up" if one.total > 0 else "down"
        told = escape(_told(stages, one, written))
        yield f'<span class="{kind}" title="{told}">{text}</span>'
        if stage != last:
            yield f"<sub>{html_text(stages[stage])}</sub>"
        last = stage


def _told(stages: Sequence[str], one: BlamedToken, written: Mapping[int, str]) -> str:
    """A token under every stage, a line each."""
    lines = []
    for n, (name, logp, best) in enumerate(zip(stages, one.logp, one.best, strict=True)):
        change = f"  {delta(one.changes[n - 1], 0)}" if n else ""
        wanted = "" if best[0] == one.token else f"  wanted “{written.get(best[0], '')}”"
        lines.append(f"{name}: p {probability(logp).strip()}{change}{visible(wanted)}")
    return "\n".join(lines)

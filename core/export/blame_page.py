"""Blamed texts as a self-contained page, or for a notebook: every token with its stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from string import Template

from logit_amp_chat.core.analysis.palette import LANE_COLOURS
from logit_amp_chat.core.analysis.stage_blame import BlamedToken, StageStats
from logit_amp_chat.core.export import page_parts
from logit_amp_chat.core.export.describe_reading import cut_short, title
from logit_amp_chat.core.export.notebook import MOST_TOKENS, QUIET, TEXT, UNSCORED
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.number_format import count, delta, delta_sum, in_nats, nats, probability
from logit_amp_chat.core.records import Document
from logit_amp_chat.core.text import visible

Names = Mapping[int, str]

LEGEND = (
    "A line under a token: the chain made it likelier (solid) or less likely (dotted), or a stage"
    " moved it and others moved it back (dashed). A small name is the stage that did most of"
    " what follows; point at a token for all stages."
)


CLASSES = {kind: f'class="{kind}"' for kind in ("up", "down", "undone", "unscored")}
IN_PLACE = {
    "up": f'style="border-bottom:2px solid {LANE_COLOURS["amplified"][1]}"',
    "down": f'style="border-bottom:2px dotted {LANE_COLOURS["before"][1]}"',
    "undone": 'style="border-bottom:2px dashed #8a8a8a"',
    "unscored": f'style="{UNSCORED}"',
}


def blame_page(
    stages: Sequence[str],
    documents: Sequence[tuple[Document, Sequence[BlamedToken]]],
    threshold: float,
    total: StageStats,
    names: Names,
) -> str:
    """The whole page; `names` says how the ids are written that are `likeliest`."""
    page = page_parts.file("page.css").replace("$colours", page_parts.themes(light={}, dark={}))
    style = "\n" + Template(page_parts.file("blame.css")).substitute(page=page)
    about = [
        " → ".join(stages),
        f"{count(total.tokens, 'scored token')}, {total.notable:,} moved by"
        f" {in_nats(threshold)} or more",
        LEGEND,
    ]
    body = [_table(total)]
    body += [_section(stages, *document, names) for document in documents]
    return Template(page_parts.file("blame.html")).substitute(
        title=html_text(f"Blame: {' → '.join(stages)}"),
        about="".join(f"<li>{html_text(line)}</li>" for line in about),
        body="\n".join(body),
        style=style,
        style_hash=page_parts.policy_hash(style),
    )


def blame_fragment(
    stages: Sequence[str],
    document: Document,
    tokens: Sequence[BlamedToken],
    names: Names,
    about: str,
) -> str:
    """A text for a notebook, its first 10,000 scored tokens; styles are in the elements."""
    spans = "".join(_spans(stages, document, tokens[:MOST_TOKENS], names, IN_PLACE))
    parts = [
        f'<div style="{QUIET}">{html_text(about)}</div>',
        f'<div dir="auto" style="{TEXT}">{spans}</div>',
    ]
    if (rest := len(tokens) - MOST_TOKENS) > 0:
        parts.append(f'<div style="{QUIET}">… {count(rest, "more token")} not shown</div>')
    parts.append(f'<div style="{QUIET}">{escape(LEGEND)}</div>')
    return "".join(parts)


def likeliest(documents: Iterable[tuple[Document, Sequence[BlamedToken]]]) -> list[int]:
    """The ids that are written: what stages found likeliest where a token stands out."""
    found = (one for document, tokens in documents for one in tokens if _stands_out(document, one))
    return list(dict.fromkeys(token for one in found for token, _ in one.best))


def _stands_out(document: Document, one: BlamedToken) -> bool:
    return one.size >= document.threshold


def _table(total: StageStats) -> str:
    heads = ("stage", "log-ratio", "mean KL", "raised", "lowered", "most of it")
    rows = []
    for n, name in enumerate(total.stages[1:], 1):
        kl = total.mean_kl(n)
        cells = (
            name,
            delta_sum(total.change(n)),
            "not measured" if kl is None else nats(kl),
            f"{total.raised[n]:,}",
            f"{total.lowered[n]:,}",
            f"{total.blamed[n]:,}",
        )
        rows.append("<tr>" + "".join(f"<td>{html_text(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _section(
    stages: Sequence[str], document: Document, tokens: Sequence[BlamedToken], names: Names
) -> str:
    spans = "".join(_spans(stages, document, tokens, names, CLASSES))
    heading = html_text(title(document) + cut_short(document, len(tokens)))
    return f'<section><h2>{heading}</h2><div class="blamed" dir="auto">{spans}</div></section>'


def _spans(
    stages: Sequence[str],
    document: Document,
    tokens: Sequence[BlamedToken],
    names: Names,
    looks: Mapping[str, str],
) -> Iterator[str]:
    """The whole text, what is not scored grey; a stage's name before what it did most of."""
    end, last = 0, None
    for one in tokens:
        start, stop = document.offsets[one.index]
        yield _grey(document.text[end:start], looks)
        text = escape(visible(document.text[max(start, end) : stop]))
        end = max(end, stop)
        if not _stands_out(document, one):
            yield text
            continue
        stage = one.blamed
        kind = "undone" if one.is_undone else "up" if one.total > 0 else "down"
        told = escape(_told(stages, one, names))
        if stage != last:
            yield f"<sub>{html_text(stages[stage])}</sub>"
        last = stage
        yield f'<span {looks[kind]} title="{told}">{text}</span>'
    if len(tokens) == len(document.offsets):
        yield _grey(document.text[end:], looks)


def _grey(text: str, looks: Mapping[str, str]) -> str:
    return f"<span {looks['unscored']}>{escape(visible(text))}</span>" if text else ""


def _told(stages: Sequence[str], one: BlamedToken, names: Names) -> str:
    """A token under every stage, a line each."""
    lines = []
    for n, (name, logp, best) in enumerate(zip(stages, one.logp, one.best, strict=True)):
        change = f"  {delta(one.changes[n - 1], 0)}" if n else ""
        wanted = "" if best[0] == one.token else f"  wanted “{names.get(best[0], '')}”"
        lines.append(f"{name}: p {probability(logp).strip()}{change}{visible(wanted)}")
    return "\n".join(lines)

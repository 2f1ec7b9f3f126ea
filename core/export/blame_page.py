"""Blamed texts as a self-contained page, or for a notebook: every token with its stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from string import Template

from logit_amp_chat.core.analysis.palette import LANE_COLOURS
from logit_amp_chat.core.analysis.stage_blame import BlamedToken, StageStats
from logit_amp_chat.core.export import describe_blame, page_parts
from logit_amp_chat.core.export.describe_reading import cut_short, title
from logit_amp_chat.core.export.notebook import MOST_TOKENS, QUIET, TEXT, UNSCORED
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.number_format import count, in_nats
from logit_amp_chat.core.records import Document
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.blamed_tokens import ReplyBlame
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

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
    own = Template(page_parts.file("blame.css")).substitute(page=page)
    style = "\n" + own + page_parts.file("blamed.css")
    about = [
        " → ".join(stages),
        f"{count(total.tokens, 'scored token')}, {total.notable:,} moved by"
        f" {in_nats(threshold)} or more",
        LEGEND,
    ]
    body = [stages_table(total)]
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


def stages_table(total: StageStats) -> str:
    """What each stage did, as a table."""
    return _table(describe_blame.HEAD, describe_blame.rows(total))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f"<th>{html_text(name)}</th>" for name in head)
    lines = ("".join(f"<td>{html_text(cell)}</td>" for cell in row) for row in rows)
    return f"<table><tr>{heads}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def reply_section(log: ReplyLog) -> str:
    """A reply by stage, folded: the table, its tokens, the strongest of them; "" if not read."""
    if (blame := ReplyBlame.of(log)) is None:
        return ""
    names = blame.names()
    spans: list[str] = []
    last = None
    for one in blame.tokens:
        text = escape(visible(blame.text(one)))
        if one.size < blame.threshold:
            spans.append(text)
            continue
        if one.blamed != last:
            spans.append(f"<sub>{html_text(blame.stages[one.blamed])}</sub>")
        last = one.blamed
        spans.append(_span(blame.stages, one, text, names, CLASSES))
    parts = [
        f"<summary>{html_text(describe_blame.title(blame))}</summary>",
        stages_table(blame.stats),
        f'<div class="blamed" dir="auto">{"".join(spans)}</div>',
        f'<p class="meta">{escape(LEGEND)}</p>',
        _table(describe_blame.strongest_head(blame), describe_blame.strongest(blame)),
    ]
    return f'<details class="blame">{"".join(parts)}</details>'


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
        if stage != last:
            yield f"<sub>{html_text(stages[stage])}</sub>"
        last = stage
        yield _span(stages, one, text, names, looks)
    if len(tokens) == len(document.offsets):
        yield _grey(document.text[end:], looks)


def _grey(text: str, looks: Mapping[str, str]) -> str:
    return f"<span {looks['unscored']}>{escape(visible(text))}</span>" if text else ""


def _span(
    stages: Sequence[str], one: BlamedToken, text: str, names: Names, looks: Mapping[str, str]
) -> str:
    """A token that stands out; `text` is HTML."""
    told = escape(describe_blame.told(stages, one, names))
    return f'<span {looks[one.kind]} title="{told}">{text}</span>'

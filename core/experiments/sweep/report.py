"""A sweep as one self-contained page: curves, tables, the estimate, and the replies themselves.

As the page of a chat it needs no network and no script, and all text of others is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from string import Template

from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.counted import CountedReply, CountedSweep
from logit_amp_chat.core.experiments.sweep.report_curve import curve
from logit_amp_chat.core.experiments.sweep.report_replies import Shown, replies_section
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, SweepResult
from logit_amp_chat.core.export import describe, page_parts
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.lanes import lane_colour
from logit_amp_chat.core.number_format import duration
from logit_amp_chat.core.records import Session

COUNT_YOURSELF = (
    "Every reply is below, by prompt and α, hits first, with the matched place marked. A reply's"
    " weight is how many replies it stands for in the estimate."
)


def to_html(sweep: CountedSweep, session: Session, *, replies: int | None = None) -> str:
    """The whole page; `replies` are shown to each prompt at each α (None: as many as open well)."""
    result = sweep.result
    title = describe.title(session) or result.profile or "sweep"
    links = [(f"b{number}", found.name) for number, found in enumerate(result.behaviours, 1)]
    return page(f"Sweep: {title}", _about(result, session), links, sections(sweep, replies))


def page(
    title: str,
    about: Iterable[str],
    links: Iterable[tuple[str, str]],
    body: Iterable[str],
) -> str:
    """A whole page: `about` are lines of text, `links` ids of sections and what they are called."""
    style = "\n" + Template(page_parts.file("report.css")).substitute(page=_page_style())
    return Template(page_parts.file("report.html")).substitute(
        title=html_text(title),
        about="".join(f"<li>{html_text(line)}</li>" for line in about),
        contents="".join(f'<a href="#{id}">{html_text(name)}</a>' for id, name in links),
        body="\n".join(body),
        style=style,
        style_hash=page_parts.policy_hash(style),
    )


def _page_style() -> str:
    return page_parts.file("page.css").replace("$colours", page_parts.themes(light={}, dark={}))


def _about(result: SweepResult, session: Session) -> Iterator[str]:
    yield from describe.pair(session)
    yield describe.circumstances(session)
    yield from wording.scope(result)
    yield f"{result.tokens:,} tokens in {duration(result.seconds)}"


def sections(sweep: CountedSweep, asked: int | None, prefix: str = "b") -> Iterator[str]:
    """The body: what replies are like, and a section for each behaviour, `prefix` and a number.

    `asked` replies are shown to each prompt at each α.
    """
    result = sweep.result
    yield "<section><h2>Replies at each α</h2>"
    if result.alphas:
        summaries = ((one.alpha, wording.replies_text(one)) for one in result.alphas)
        yield table("means", wording.REPLIES_HEAD, _coloured(summaries))
        yield f'<p class="meta">{html_text(wording.REPLIES_NOTE)}</p>'
    else:
        yield "<p>There are no replies yet.</p>"
    groups = len({(reply.prompt, reply.alpha) for reply in sweep.replies})
    shown = Shown.of(len(sweep.replies), len(result.behaviours), groups, asked)
    if result.behaviours:
        yield f'<p class="claim">{html_text(wording.discovery(result.settings.target))}</p>'
        yield f'<p class="claim">{html_text(COUNT_YOURSELF)}</p>'
    else:
        yield from replies_section(result.prompts, sweep.replies, None, shown)
    yield "</section>"
    for number, found in enumerate(result.behaviours, 1):
        yield f'<section id="{prefix}{number}">'
        yield from _behaviour(found, result, sweep.replies, shown)
        yield "</section>"


def _behaviour(
    found: BehaviourResult, result: SweepResult, replies: Sequence[CountedReply], shown: Shown
) -> Iterator[str]:
    definition = html_text(wording.definition(found))
    yield f"<h2>{html_text(found.name)} <small>{definition}</small></h2>"
    warnings = found.estimate.warnings if found.estimate else ()
    claims = [s for s in wording.estimate_sentences(found, result) if s not in warnings]
    claims += wording.judgement(found)
    yield f'<p class="claim">{html_text(" ".join(claims))}</p>'
    yield from (f'<p class="claim warning">{html_text(said)}</p>' for said in warnings)
    yield curve(found, result.settings.target)
    rates = ((rate.alpha, wording.rate_text(rate, found.numeric)) for rate in found.rates)
    yield table("rates", wording.rates_head(found.numeric), _coloured(rates))
    of_prompts = {
        part.prompt.id: " ".join(wording.estimate_sentences(found, result, part))
        for part in found.by_prompt
    }
    yield from replies_section(result.prompts, replies, found, shown, of_prompts)


def _coloured(
    rows: Iterable[tuple[float, Sequence[str]]],
) -> Iterator[tuple[str, Sequence[str]]]:
    """Lines of αs, each with the colour of its lane."""
    return ((lane_colour(alpha), cells) for alpha, cells in rows)


def table(kind: str, head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A table; of every line the class of its first cell, and the cells."""
    heads = "".join(f"<th>{html_text(cell)}</th>" for cell in head)
    lines = []
    for colour, (first, *cells) in rows:
        rest = "".join(f"<td>{html_text(cell)}</td>" for cell in cells)
        lines.append(f'<tr><td class="{colour}">{html_text(first)}</td>{rest}</tr>')
    return f'<table class="{kind}"><tr>{heads}</tr>{"".join(lines)}</table>'

"""A sweep over a chain as one self-contained page: the stages, and the page of every pair in it."""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.experiments.sweep import wording as sweep_wording
from logit_amp_chat.core.experiments.sweep.chain import wording
from logit_amp_chat.core.experiments.sweep.chain.result import (
    ChainBehaviour,
    ChainResult,
    StageRate,
)
from logit_amp_chat.core.experiments.sweep.chain.stage_curve import stage_curve
from logit_amp_chat.core.experiments.sweep.report import page, sections, table
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.number_format import duration


def to_html(result: ChainResult, *, replies: int | None = None) -> str:
    """The whole page; `replies` are shown to each prompt at each α of a pair (None: as many as
    open well).
    """
    links = [(f"s{number}", found.name) for number, found in enumerate(result.behaviours, 1)]
    links += [(f"p{number}", wording.pair(one.place)) for number, one in enumerate(result.pairs, 1)]
    title = f"Sweep: {' → '.join(result.stages)}"
    return page(title, _about(result), links, _body(result, replies))


def _about(result: ChainResult) -> Iterator[str]:
    for one in result.pairs:
        session = one.folder.contents.session
        yield f"{wording.pair(one.place)}: {'; '.join(describe.pair(session))}"
    if result.pairs:
        yield describe.circumstances(result.pairs[-1].folder.contents.session)
    yield from wording.scope(result)
    tokens = sum(one.counted.result.tokens for one in result.pairs)
    seconds = sum(one.counted.result.seconds for one in result.pairs)
    yield f"{tokens:,} tokens in {duration(seconds)}"


def _body(result: ChainResult, replies: int | None) -> Iterator[str]:
    yield "<section>"
    yield from (f'<p class="claim">{html_text(said)}</p>' for said in wording.caveats(result))
    yield "</section>"
    for number, found in enumerate(result.behaviours, 1):
        yield f'<section id="s{number}">'
        yield from _behaviour(found)
        yield "</section>"
    for number, one in enumerate(result.pairs, 1):
        yield f'<details id="p{number}"><summary>{html_text(wording.pair(one.place))}</summary>'
        yield from sections(one.counted, replies, f"p{number}b")
        yield "</details>"


def _behaviour(found: ChainBehaviour) -> Iterator[str]:
    definition = html_text(sweep_wording.definition(found))
    yield f"<h2>{html_text(found.name)} <small>{definition}</small></h2>"
    yield f'<p class="claim">{html_text(" ".join(wording.steps(found)))}</p>'
    yield from (
        f'<p class="claim warning">{html_text(said)}</p>' for said in wording.warnings(found)
    )
    yield stage_curve(found)
    yield _table(found.stages, found.numeric)
    for part in found.by_prompt if len(found.by_prompt) > 1 else ():
        text = " ".join(part.prompt.messages[-1][1].split())
        yield f"<details><summary>{html_text(f'{part.prompt.id} · {text}'[:120])}</summary>"
        yield _table(part.stages, found.numeric)
        yield "</details>"


def _table(stages: tuple[StageRate, ...], numeric: bool) -> str:
    rows = (("", wording.stage_text(one, numeric)) for one in stages)
    return table("stages", wording.stages_head(numeric), rows)

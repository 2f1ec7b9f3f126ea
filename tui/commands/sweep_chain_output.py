"""What `sweep --chain` prints: a table of the stages for each behaviour, JSON, or CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logit_amp_chat.core.experiments.sweep import wording as sweep_wording
from logit_amp_chat.core.experiments.sweep.chain import wording
from logit_amp_chat.core.experiments.sweep.chain.result import (
    ChainBehaviour,
    ChainResult,
    PromptStages,
    StageRate,
)
from logit_amp_chat.core.number_format import bar
from logit_amp_chat.tui.commands.styles import Styles
from logit_amp_chat.tui.commands.sweep_output import BAR, cells, heading, prompt_heading, wrapped

NAME = 12
STAGE_WIDTHS = (7, 6, 7, -13, 8, -13)


def as_text(result: ChainResult, styles: Styles, *, by_prompt: bool) -> str:
    """The tables, and what they may be cited for; safe to show."""
    return "\n".join(_lines(result, styles, by_prompt)) + "\n"


def _lines(result: ChainResult, styles: Styles, by_prompt: bool) -> Iterator[str]:
    for line in wording.scope(result):
        yield from wrapped(line)
    for found in result.behaviours:
        yield ""
        yield from _behaviour(found, styles)
        for part in found.by_prompt if by_prompt else ():
            yield ""
            yield from _prompt(found, part, styles)
    yield ""
    if not result.behaviours:
        yield "No behaviour was counted; --out DIR with --behaviour NAME=REGEX counts in it."
    for line in wording.caveats(result):
        yield from wrapped(line)


def _behaviour(found: ChainBehaviour, styles: Styles) -> Iterator[str]:
    yield from heading(found.name, sweep_wording.definition(found), styles)
    yield from _stages(found.stages, found.numeric, styles)
    for line in wording.claims(found):
        yield from wrapped(line)


def _prompt(found: ChainBehaviour, part: PromptStages, styles: Styles) -> Iterator[str]:
    yield prompt_heading(found.name, part.prompt, styles)
    yield from _stages(part.stages, found.numeric, styles)


def _stages(stages: Sequence[StageRate], numeric: bool, styles: Styles) -> Iterator[str]:
    width = max(NAME // 2, *(len(one.stage) for one in stages))
    widths = (-width, *STAGE_WIDTHS)
    yield styles.quiet(cells(wording.stages_head(numeric), widths).rstrip())
    for one in stages:
        line = cells(wording.stage_text(one, numeric), widths)
        rate = one.estimate.rate if one.estimate else None
        drawn = "" if numeric or rate is None else bar(rate, BAR // 2).rstrip()
        yield f"{line}  {drawn}".rstrip()

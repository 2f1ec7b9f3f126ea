"""What `sweep` prints: tables of rates over α with the estimate in sentences, JSON, or CSV."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from logit_amp_chat.core.experiments.sweep import result_json, wording
from logit_amp_chat.core.experiments.sweep.result import (
    BehaviourResult,
    PromptResult,
    Rate,
    SweepResult,
)
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.experiments.sweep.table import COLUMNS, rows
from logit_amp_chat.core.lanes import lane_colour
from logit_amp_chat.core.number_format import bar
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

WIDTH = 80
BAR = 20
REPLIES_WIDTHS = (6, 7, 6, 11, 6, 7)
RATES_WIDTHS = (6, 7, 6, 7, -15)


def as_json(result: SweepResult) -> str:
    """The result as one JSON object."""
    return json.dumps(result_json.as_json(result), ensure_ascii=False, indent=2)


def as_csv(result: SweepResult, *, by_prompt: bool) -> str:
    """The result as rows of `replies`, `rate` and `estimate`; what there is none of is empty."""
    return csv_text(COLUMNS, rows(result, by_prompt=by_prompt))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows with a line of heads."""
    text = io.StringIO()
    written = csv.DictWriter(text, columns, lineterminator="\n")
    written.writeheader()
    written.writerows(rows)
    return text.getvalue()


def as_text(result: SweepResult, styles: Styles, *, by_prompt: bool) -> str:
    """The tables, and what they may be cited for; safe to show."""
    return "\n".join(_lines(result, styles, by_prompt)) + "\n"


def _lines(result: SweepResult, styles: Styles, by_prompt: bool) -> Iterator[str]:
    for line in wording.scope(result):
        yield from wrapped(line)
    yield ""
    if not result.alphas:
        yield "There are no replies yet."
        return
    yield from _replies(result, styles)
    for found in result.behaviours:
        yield ""
        yield from _behaviour(found, result, styles)
        for part in found.by_prompt if by_prompt else ():
            yield ""
            yield from _prompt(found, part, result, styles)
    yield ""
    if not result.behaviours:
        yield "No behaviour was counted; --out DIR with --behaviour NAME=REGEX counts in it."
    else:
        yield from wrapped(wording.discovery(result.settings.target))


def _replies(result: SweepResult, styles: Styles) -> Iterator[str]:
    """A line an α of what its replies are like."""
    yield styles.quiet(cells(wording.REPLIES_HEAD, REPLIES_WIDTHS))
    for one in result.alphas:
        yield _coloured(cells(wording.replies_text(one), REPLIES_WIDTHS), one.alpha, styles)
    yield styles.quiet(wording.REPLIES_NOTE)


def _behaviour(found: BehaviourResult, result: SweepResult, styles: Styles) -> Iterator[str]:
    yield from heading(found.name, wording.definition(found), styles)
    yield from _rates(found.rates, found.numeric, styles)
    said = [*wording.judgement(found), *wording.estimate_sentences(found, result)]
    yield from wrapped(" ".join(said))
    if prompts := wording.by_prompt(found):
        yield from wrapped(prompts)


def heading(name: str, definition: str, styles: Styles) -> Iterator[str]:
    """The name of a behaviour, and what is counted: on one line where it fits."""
    name = visible(name, newlines=False)
    if len(name) + 2 + len(definition) <= WIDTH:
        yield f"{styles.bold(name)}  {styles.quiet(definition)}"
        return
    yield styles.bold(name)
    yield from map(styles.quiet, wrapped(definition))


def prompt_heading(name: str, prompt: SweepPrompt, styles: Styles) -> str:
    """The name of a behaviour, and which prompt its numbers are of."""
    text = visible(" ".join(prompt.messages[-1][1].split()), newlines=False)
    head = f"{visible(name, newlines=False)} · {prompt.id} "
    return styles.bold(textwrap.shorten(head + text, WIDTH, placeholder=" …"))


def _prompt(
    found: BehaviourResult, part: PromptResult, result: SweepResult, styles: Styles
) -> Iterator[str]:
    """The rates of one prompt."""
    yield prompt_heading(found.name, part.prompt, styles)
    yield from _rates(part.rates, found.numeric, styles)
    yield from wrapped(" ".join(wording.estimate_sentences(found, result, part)))


def _rates(rates: Sequence[Rate], numeric: bool, styles: Styles) -> Iterator[str]:
    yield styles.quiet(cells(wording.rates_head(numeric), RATES_WIDTHS).rstrip())
    for one in rates:
        line = _coloured(cells(wording.rate_text(one, numeric), RATES_WIDTHS), one.alpha, styles)
        drawn = "" if numeric or one.rate is None else bar(one.rate, BAR).rstrip()
        yield f"{line}  {styles.lane(drawn, lane_colour(one.alpha))}".rstrip()


def cells(texts: Sequence[str], widths: Sequence[int]) -> str:
    """The cells of a line, to the right of their columns; a width below 0 is to the left."""
    shown = (
        f"{cell:>{width}}" if width > 0 else f"{cell:<{-width}}"
        for cell, width in zip(texts, widths, strict=True)
    )
    return "  ".join(shown)


def _coloured(line: str, alpha: float, styles: Styles) -> str:
    """The line, with its first cell in the colour of the α's lane."""
    first = RATES_WIDTHS[0]
    return styles.lane(line[:first], lane_colour(alpha)) + line[first:]


def wrapped(text: str) -> Iterator[str]:
    """The lines of a sentence."""
    yield from textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)

"""What `sweep` prints: tables of rates over α with the estimate in sentences, JSON, or CSV."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterator, Sequence

from logit_amp_chat.core.experiments.sweep import result_json, wording
from logit_amp_chat.core.experiments.sweep.result import (
    BehaviourResult,
    PromptResult,
    Rate,
    SweepResult,
)
from logit_amp_chat.core.experiments.sweep.table import COLUMNS, rows
from logit_amp_chat.core.lanes import lane_colour
from logit_amp_chat.core.number_format import bar, nats, percent, signed
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

WIDTH = 80
BAR = 20


def as_json(result: SweepResult) -> str:
    """The result as one JSON object."""
    return json.dumps(result_json.as_json(result), ensure_ascii=False, indent=2)


def as_csv(result: SweepResult, *, by_prompt: bool) -> str:
    """The result as rows of `replies`, `rate` and `estimate`; what there is none of is empty."""
    text = io.StringIO()
    written = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    written.writeheader()
    written.writerows(rows(result, by_prompt=by_prompt))
    return text.getvalue()


def as_text(result: SweepResult, styles: Styles, *, by_prompt: bool) -> str:
    """The tables, and what they may be cited for; safe to show."""
    return "\n".join(_lines(result, styles, by_prompt)) + "\n"


def _lines(result: SweepResult, styles: Styles, by_prompt: bool) -> Iterator[str]:
    for line in wording.scope(result):
        yield from _wrapped(line)
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
        yield from _wrapped(wording.discovery(result.settings.target))


def _replies(result: SweepResult, styles: Styles) -> Iterator[str]:
    """A line an α of what its replies are like."""
    head = (
        f"{'α':>6}  {'replies':>7}  {'KL':>6}  {'log p after':>11}  {'tokens':>6}  {'cut off':>7}"
    )
    yield styles.quiet(head)
    for one in result.alphas:
        kl = "–" if one.kl is None else nats(one.kl)
        after = "–" if one.log_p_after is None else nats(one.log_p_after)
        yield (
            f"{_alpha(one.alpha, styles)}  {one.replies:>7,}  {kl:>6}  {after:>11}"
            f"  {one.length:>6.1f}  {percent(one.cut):>7}"
        )
    yield styles.quiet("KL(after‖before) and log p under after: means over tokens, in nats")


def _behaviour(found: BehaviourResult, result: SweepResult, styles: Styles) -> Iterator[str]:
    name = visible(found.name, newlines=False)
    room = max(20, WIDTH - len(name) - 2)
    what = textwrap.shorten(wording.definition(found), room, placeholder=" …")
    yield f"{styles.bold(name)}  {styles.quiet(what)}"
    yield from _rates(found.rates, found.numeric, styles)
    yield from _sentences([*wording.judgement(found), *wording.estimate_sentences(found, result)])


def _prompt(
    found: BehaviourResult, part: PromptResult, result: SweepResult, styles: Styles
) -> Iterator[str]:
    """The rates of one prompt."""
    text = visible(" ".join(part.prompt.messages[-1][1].split()), newlines=False)
    head = f"{visible(found.name, newlines=False)} · {part.prompt.id} "
    yield styles.bold(textwrap.shorten(head + text, WIDTH, placeholder=" …"))
    yield from _rates(part.rates, found.numeric, styles)
    yield from _sentences(wording.estimate_sentences(found, result, part))


def _rates(rates: Sequence[Rate], numeric: bool, styles: Styles) -> Iterator[str]:
    hits, kind = ("sum", "mean") if numeric else ("hits", "rate")
    yield styles.quiet(f"{'α':>6}  {'replies':>7}  {hits:>6}  {kind:>7}  95% interval")
    for one in rates:
        total, rate, limits = wording.rate_text(one, numeric)
        drawn = "" if numeric or one.rate is None else bar(one.rate, BAR).rstrip()
        line = (
            f"{_alpha(one.alpha, styles)}  {one.replies:>7,}  {total:>6}  {rate:>7}  {limits:<15}"
        )
        yield f"{line}  {styles.lane(drawn, lane_colour(one.alpha))}".rstrip()


def _alpha(alpha: float, styles: Styles) -> str:
    return styles.lane(f"{signed(alpha):>6}", lane_colour(alpha))


def _sentences(sentences: Sequence[str]) -> Iterator[str]:
    yield from _wrapped(" ".join(sentences))


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)

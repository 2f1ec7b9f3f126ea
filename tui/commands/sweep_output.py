"""What `sweep` prints: a table of rates over α with the estimate, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.experiments.sweep import result_json
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, Rate, SweepResult
from logit_amp_chat.core.experiments.sweep.wording import estimate_line
from logit_amp_chat.core.number_format import count, nats, number, sampling_line, signed
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

BAR = 24


def as_json(result: SweepResult) -> str:
    """The result as one JSON object."""
    return json.dumps(result_json.as_json(result), ensure_ascii=False, indent=2)


def as_text(result: SweepResult, styles: Styles, *, by_prompt: bool) -> str:
    """The tables, and what they may be cited for."""
    return "\n".join(_lines(result, styles, by_prompt)) + "\n"


def _lines(result: SweepResult, styles: Styles, by_prompt: bool) -> Iterator[str]:
    settings = result.settings
    prompts = count(len(result.prompts), "prompt")
    yield f"{prompts}, {settings.samples:,} replies each at every α"
    yield f"target: α {signed(settings.target)}, {sampling_line(settings.sampling)}"
    yield ""
    yield styles.quiet(
        f"{'α':>6}  {'replies':>7}  {'KL':>6}  {'log p':>6}  {'length':>6}  {'cut off':>7}"
    )
    for one in result.alphas:
        kl = "–" if one.kl is None else nats(one.kl)
        after = "–" if one.log_p_after is None else nats(one.log_p_after)
        yield (
            f"{signed(one.alpha):>6}  {one.replies:>7,}  {kl:>6}  {after:>6}"
            f"  {one.length:>6.1f}  {one.cut:>7.1%}"
        )
    for behaviour in result.behaviours:
        yield ""
        yield from _behaviour(behaviour, result, styles)
        if by_prompt:
            for part in behaviour.by_prompt:
                text = visible(" ".join(part.prompt.messages[-1][1].split()), newlines=False)
                yield ""
                yield styles.bold(f"{behaviour.name} · {part.prompt.id} {text}")
                yield from _rates(part.rates, behaviour.numeric, styles)
                yield _estimate(part.estimate, result.settings.target)


def _behaviour(found: BehaviourResult, result: SweepResult, styles: Styles) -> Iterator[str]:
    yield styles.bold(found.name)
    yield from _rates(found.rates, found.numeric, styles)
    if result.no_estimate:
        yield result.no_estimate
        return
    yield _estimate(found.estimate, result.settings.target)
    if found.estimate:
        for warning in found.estimate.warnings:
            yield f"  {warning}"


def _rates(rates: Sequence[Rate], numeric: bool, styles: Styles) -> Iterator[str]:
    yield styles.quiet(f"{'α':>6}  {'replies':>7}  {'hits':>6}  {'rate':>7}  95 % interval")
    for one in rates:
        rate = 0.0 if one.rate is None else one.rate
        shown = number(rate) if numeric else f"{rate:.1%}"
        low, high = (
            (number(one.low), number(one.high))
            if numeric
            else (f"{one.low:.1%}", f"{one.high:.1%}")
        )
        bar = "" if numeric else "█" * round(rate * BAR)
        yield (
            f"{signed(one.alpha):>6}  {one.replies:>7,}  {one.hits:>6,.0f}  {shown:>7}"
            f"  {low}–{high}  {bar}"
        )


def _estimate(found: Estimate | None, target: float) -> str:
    return "" if found is None else estimate_line(found, target)

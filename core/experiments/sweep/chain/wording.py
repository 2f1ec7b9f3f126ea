"""What a sweep over a chain found, in words that can be cited."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from logit_amp_chat.core.analysis.stage_rates import StageEstimate
from logit_amp_chat.core.analysis.step_changes import StepChange
from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.chain.folder import PairPlace
from logit_amp_chat.core.experiments.sweep.chain.result import (
    ChainBehaviour,
    ChainResult,
    StageRate,
    StageStep,
)
from logit_amp_chat.core.number_format import number, percent

STAGES_NOTE = (
    "A stage is sampled as α 0 of the pair that it comes after in, and as α −1 of the next; its"
    " estimate is from all replies of these pairs. Whether a step raises or lowers a rate is said"
    " of hits of the kinds that replies showed. Every interval is for itself: of forty steps that"
    " change nothing about one seems to rise, and one to fall."
)

MANY = 1e6
"""More times are only known to be many: from next to nothing."""


def pair(place: PairPlace) -> str:
    """What a pair is called: base → sft."""
    return f"{place.before} → {place.after}"


def scope(result: ChainResult) -> Iterator[str]:
    """What was sampled, and how, as sentences without a full stop."""
    yield f"{len(result.stages)} stages: {' → '.join(result.stages)}"
    said = [list(wording.scope(one.counted.result)) for one in result.pairs]
    for one, lines in zip(result.pairs, said, strict=True):
        yield f"{pair(one.place)}: {lines[0]}"
    yield from said[0][1:] if said else ()
    for place in result.lacking:
        yield f"{pair(place)}: not sampled yet"


def caveats(result: ChainResult) -> Iterator[str]:
    """Whole sentences on what the rates may be cited for."""
    for one in result.pairs:
        if why := one.counted.result.no_estimate:
            yield f"No estimate from {pair(one.place)}: {why}"
    yield from result.notes
    yield STAGES_NOTE


def stages_head(numeric: bool) -> tuple[str, ...]:
    """The heads of the table of a behaviour."""
    seen = ("sum", "mean") if numeric else ("hits", "rate")
    return ("stage", "replies", *seen, "95% interval", "estimate", "95% interval")


def stage_text(one: StageRate, numeric: bool) -> tuple[str, ...]:
    """A line of that table."""
    _, *seen = wording.rate_text(one.seen, numeric)
    found = one.estimate
    if found is None:
        return (one.stage, *seen, "–", "–")
    rate = "–" if found.rate is None else wording.value(found.rate, numeric)
    return (one.stage, *seen, rate, wording.interval(found.low, found.high, numeric))


def steps(found: ChainBehaviour) -> list[str]:
    """Where it came in, and what each step of training changed, in sentences."""
    return [*_origin(found), *(_step(found, step) for step in found.steps)]


def _origin(found: ChainBehaviour) -> list[str]:
    origin = found.came_in
    if origin is None:
        return []
    what = "It" if origin.change.is_sure else "What was seen of it"
    return [f"{what} came in with {origin.after}."]


def _step(found: ChainBehaviour, step: StageStep) -> str:
    estimates = {one.stage: one.estimate for one in found.stages}
    before, after = estimates[step.before], estimates[step.after]
    assert before is not None, "a step is between estimates"
    assert after is not None, "a step is between estimates"
    change, numeric = step.change, found.numeric
    what = "mean" if numeric else "rate"
    by = _by(change, numeric)
    if change.difference is None:
        return f"{step.before} → {step.after}: what it changed is not known, {by}."
    rates = f"from {_rate(before, numeric)} to {_rate(after, numeric)}"
    if not (change.rises or change.falls):
        return f"{step.before} → {step.after} changes the {what} {rates}, {by}: that may be chance."
    verb = "raises" if change.rises else "lowers"
    ratio = times(change) if change.is_sure else ""
    return f"{step.before} → {step.after} {verb} the {what} {rates}, {by}{ratio}."


def _by(change: StepChange, numeric: bool) -> str:
    """By +11.9 points (95% interval +8.1 to +15.9)."""
    unit = "" if numeric else " points"
    limits = f"95% interval {_limits((change.low, change.high), numeric)}"
    if (change.rises or change.falls) and not change.is_sure:
        limits += f"; of hits of the kinds that were seen {_limits(change.shown, numeric)}"
    if change.difference is None:
        return f"{limits}{unit}"
    return f"by {points(change.difference, numeric)}{unit} ({limits})"


def _limits(limits: tuple[float, float], numeric: bool) -> str:
    return f"{points(limits[0], numeric)} to {points(limits[1], numeric)}"


def points(value: float, numeric: bool = False) -> str:
    """A difference of rates in per cent points, or of means, with its sign."""
    if math.isinf(value):
        return "+∞" if value > 0 else "−∞"
    text = number(value) if numeric else percent(value).removesuffix("%")
    return f"+{text}" if value > 0 else text


def times(change: StepChange) -> str:
    """, 98 times (35 to 700); "" where there is no ratio that tells anything."""
    if not change.ratio_low or change.ratio_high is None:
        return ""
    low = number(change.ratio_low)
    if change.ratio is None or change.ratio_high > MANY:
        return f", at least {low} times"
    return f", {number(change.ratio)} times ({low} to {number(change.ratio_high)})"


def _rate(found: StageEstimate, numeric: bool) -> str:
    if found.rate is not None:
        return wording.value(found.rate, numeric)
    low, high = percent(found.low), percent(found.high)
    return f"at least {low}" if found.middle else f"at most {high}"


def warnings(found: ChainBehaviour) -> list[str]:
    """What is to be known of the estimates, a sentence a stage."""
    return [
        f"{one.stage}: {said}"
        for one in found.stages
        if one.estimate is not None
        for said in one.estimate.warnings
    ]


def claims(found: ChainBehaviour) -> Sequence[str]:
    """Every sentence about a behaviour."""
    return [*steps(found), *warnings(found)]

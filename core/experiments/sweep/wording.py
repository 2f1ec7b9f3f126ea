"""What a sweep found, in words that can be cited."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.labels import ErrorRate
from logit_amp_chat.core.experiments.sweep.result import (
    AlphaSummary,
    BehaviourResult,
    PromptResult,
    Rate,
    SweepResult,
)
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.lanes import FIXED_ALPHA
from logit_amp_chat.core.number_format import (
    count,
    nats,
    number,
    percent,
    sampling_parts,
    signed,
)

MOST_PROMPTS = 8
"""Prompts whose estimates are named one by one."""

NONE_JUDGED = "to some prompt there is no reply that could be judged."


def model(alpha: float) -> str:
    """What the model at an α is called: after, before, the model at α +0.5."""
    names = {at: name for name, at in FIXED_ALPHA.items()}
    return names.get(alpha) or f"the model at α {signed(alpha)}"


def discovery(target: float) -> str:
    """What rates and the estimate may be cited for."""
    return (
        "Rates at α > 0 are those of the amplified model: they are for discovery."
        f" The estimate is about {model(target)}."
    )


def sampled_as(settings: SweepSettings) -> str:
    """How replies are sampled, as one phrase: T 1, τ 0.01, at most 256 tokens."""
    line = ", ".join(sampling_parts(settings.sampling))
    return f"{line}, at most {count(settings.sampling.max_new_tokens, 'token')}"


def sampling(result: SweepResult) -> str:
    """How the replies were sampled; of a published sweep as far as its file says."""
    if result.published is None:
        settings = result.settings
        return f"sampled at {sampled_as(settings)}, seed {settings.sampling.seed}"
    said = ", ".join(f"{name} {shown(what)}" for name, what in result.published.items())
    return f"sampled by others: {said or 'their file does not say how'}"


def scope(result: SweepResult) -> Iterator[str]:
    """What was sampled, and how, as sentences without a full stop."""
    settings = result.settings
    there, wanted = sum(one.replies for one in result.alphas), result.wanted
    replies = f"{there:,} of {wanted:,} replies" if there != wanted else f"{there:,} replies"
    prompts = count(len(result.prompts), "prompt")
    yield f"{replies} to {prompts}, {each(settings)}"
    yield sampling(result)
    if settings.amplify_first is not None:
        tokens = count(settings.amplify_first, "token")
        yield f"only the first {tokens} of a reply amplified; it goes on as after"
    if settings.coupled:
        yield "sample n has the same noise at every α: intervals of estimates are over samples"


def each(settings: SweepSettings) -> str:
    """How many replies there are to each prompt: 40 to each at every α, 200 at α 0."""
    return f"{settings.samples:,} to each at every α{_plain_replies(settings)}"


def at_each(settings: SweepSettings) -> str:
    """The same of one prompt: 40 replies at each α, 200 at α 0."""
    return f"{count(settings.samples, 'reply')} at each α{_plain_replies(settings)}"


def _plain_replies(settings: SweepSettings) -> str:
    plain = settings.samples_at(0.0)
    return f", {plain:,} at α 0" if plain != settings.samples else ""


def value(rate: float, numeric: bool) -> str:
    """A rate in per cent; a mean as it is."""
    if math.isnan(rate):
        return "unknown"
    return number(rate) if numeric else percent(rate)


def interval(low: float, high: float, numeric: bool) -> str:
    """Two limits: 1.11–3.66%."""
    if not math.isfinite(low) or not math.isfinite(high):
        return "–"
    if numeric:
        return f"{number(low)} to {number(high)}"
    return f"{percent(low).removesuffix('%')}–{percent(high)}"


def one_in(rate: float) -> str:
    """A rate as 1 in so many, to three digits: 1 in 49.5; "" where it is none or common."""
    if not 0 < rate < 0.5:
        return ""
    several = 1 / rate
    digits = 2 - math.floor(math.log10(several))
    return f"1 in {round(several, digits):,.{max(0, min(1, digits))}f}".removesuffix(".0")


def size(value: float) -> str:
    """An effective number of replies: 12.6, 1,240."""
    return number(value) if value < 1000 else f"{value:,.0f}"


REPLIES_HEAD = ("α", "replies", "KL", "log p after", "tokens", "cut off")
REPLIES_NOTE = "KL(after‖before) and log p under after: means over tokens, in nats"


def replies_text(one: AlphaSummary) -> tuple[str, ...]:
    """A line of the table of `REPLIES_HEAD`."""
    return (
        signed(one.alpha),
        f"{one.replies:,}",
        "–" if one.kl is None else nats(one.kl),
        "–" if one.log_p_after is None else nats(one.log_p_after),
        f"{one.length:.1f}",
        percent(one.cut),
    )


def rates_head(numeric: bool) -> tuple[str, ...]:
    """The heads of the table of a behaviour."""
    return ("α", "replies", *(("sum", "mean") if numeric else ("hits", "rate")), "95% interval")


def rate_text(rate: Rate, numeric: bool) -> tuple[str, ...]:
    """A line of the table of a behaviour; of a number with its sum and mean."""
    hits = number(rate.hits, 4) if numeric else f"{rate.hits:,.0f}"
    shown, limits = "–", "–"
    if rate.rate is not None:
        shown, limits = value(rate.rate, numeric), interval(rate.low, rate.high, numeric)
    return signed(rate.alpha), f"{rate.replies:,}", hits, shown, limits


class Defined(Protocol):
    """What was counted, whatever it was counted in."""

    @property
    def kind(self) -> str:
        """Pattern, program, judge, phrase or function."""

    @property
    def definition(self) -> Mapping[str, Any]:
        """All that decides it."""


def definition(found: Defined) -> str:
    """What is counted: pattern lighthouse."""
    unsaid = ("kind", "tokens", "wording", "answers")  # the JSON has them
    said = found.definition.items()
    rest = {name: what for name, what in said if name not in unsaid and what is not False}
    if len(rest) == 1:
        return f"{found.kind} {_plain(*rest.values())}"
    return ", ".join(
        [found.kind, *(f"{shown(name)} {_plain(what)}" for name, what in rest.items())]
    )


def _plain(what: object) -> str:
    return shown(what if isinstance(what, str) else json.dumps(what, ensure_ascii=False))


def estimate_line(found: Estimate, target: float, numeric: bool = False) -> str:
    """The estimated rate or mean with its limits, and what it rests on, on one line."""
    if found.rate is None:
        return f"estimate for {model(target)}: {_limit(found)}"
    limits = interval(found.low, found.high, numeric)
    if numeric:
        said = f"{value(found.rate, numeric)} ({limits})"
        return f"estimate for {model(target)}: {said}, effective size {size(found.effective_size)}"
    rare = one_in(found.rate)
    said = f"{percent(found.rate)} ({limits})" + (f", {rare}" if rare else "")
    return (
        f"estimate for {model(target)}: {said}; {found.hits:,} hits, effective size"
        f" {size(found.effective_size)}"
    )


def estimate_sentences(
    found: BehaviourResult, result: SweepResult, part: PromptResult | None = None
) -> list[str]:
    """The estimate for the target, and what is to be known of it, in sentences to be cited.

    Of one prompt, if there is a `part`. The reason, where there is no estimate.
    """
    estimate = part.estimate if part else found.estimate
    if estimate is None:
        return [f"No estimate: {result.no_estimate or NONE_JUDGED}"]
    rates = part.rates if part else found.rates
    prompts = part.prompt.id if part else count(len(result.prompts), "prompt")
    said = [
        f"{_claim(found, estimate, result, prompts)}.",
        f"{_basis(estimate, rates, found.numeric)}.",
    ]
    if estimate.unseen is not None:
        said.append(f"{_unseen(estimate, result.settings.target)}.")
    return [*said, *estimate.warnings]


def _unseen(estimate: Estimate, target: float) -> str:
    """What the standard error knows, and what the interval has room for beyond it."""
    common = estimate.rate is not None and estimate.rate > 0.5
    kinds, limit = ("non-hits", "lower") if common else ("hits", "upper")
    plain = ""
    if estimate.plain_equivalent is not None:
        plain = f" (as of {size(estimate.plain_equivalent)} plain replies of {model(target)})"
    return (
        f"The standard error, {percent(estimate.error or 0.0)}{plain}, is about the kinds of"
        f" {kinds} that were seen; others may add up to {percent(estimate.unseen or 0.0)}, for"
        f" which the {limit} limit leaves room"
    )


def by_prompt(found: BehaviourResult) -> str:
    """The estimate for each prompt, where there are a few: p1 0.58%, p2 at most 7.22%."""
    if not 1 < len(found.by_prompt) <= MOST_PROMPTS or found.estimate is None:
        return ""
    parts = []
    for part in found.by_prompt:
        one = part.estimate
        if one is None:
            said = "not known"
        else:
            said = _limit(one) if one.rate is None else value(one.rate, found.numeric)
        parts.append(f"{part.prompt.id} {said}".replace(" (95% limit)", ""))
    return f"By prompt: {', '.join(parts)}."


def judgement(found: BehaviourResult) -> Iterator[str]:
    """What is to be known of the verdicts themselves, in sentences."""
    if found.refused:
        why = (
            "are of the half in which the phrase was looked for"
            if found.kind == "phrase"
            else "could not be judged"
        )
        yield f"{found.refused:,} replies {why}: they count nowhere."
    if (errors := found.errors) is None:
        if found.kind == "judge":
            yield "How often the judge errs is not known: --label 40 asks you about 40 replies."
        return
    marked = errors.labelled_hits + errors.labelled_others
    yield (
        f"Of {marked:,} replies marked by hand {errors.wrong_hits:,} of {errors.labelled_hits:,}"
        f" hits and {errors.wrong_others:,} of {errors.labelled_others:,} others were judged"
        f" wrongly: false positives {_errors(errors.false_positive)}, false negatives"
        f" {_errors(errors.false_negative)}."
    )
    if found.doubtful:
        alphas = ", ".join(signed(one.alpha) for one in found.doubtful)
        yield f"False positives alone may explain the rate at α {alphas}."


def _errors(rate: ErrorRate) -> str:
    return f"{value(rate.rate, False)} ({interval(rate.low, rate.high, False)})"


def _claim(found: BehaviourResult, estimate: Estimate, result: SweepResult, prompts: str) -> str:
    settings, numeric = result.settings, found.numeric
    kind = "mean" if numeric else "rate"
    at = f"α {signed(settings.target)}, " if settings.target in FIXED_ALPHA.values() else ""
    about = (
        f"{kind} of {shown(found.name)} in replies of {model(settings.target)}"
        f" ({at}{sampled_as(settings)}) to {prompts}"
    )
    if estimate.rate is None:
        return f"The {about} is {_limit(estimate)}"
    rare = f", {one_in(estimate.rate)}" if not numeric and one_in(estimate.rate) else ""
    over = "" if result.over == "replies" else ", over prompts"
    return (
        f"The {about} is estimated at {value(estimate.rate, numeric)}{rare}"
        f" (95% interval {interval(estimate.low, estimate.high, numeric)}{over})"
    )


def _limit(estimate: Estimate) -> str:
    """What is known without an estimate: a limit, or nothing."""
    if estimate.low > 0:
        return f"at least {percent(estimate.low)} (95% limit)"
    return f"at most {percent(estimate.high)} (95% limit)" if estimate.high < 1 else "not known"


def _basis(estimate: Estimate, rates: tuple[Rate, ...], numeric: bool) -> str:
    replies = sum(rate.replies for rate in rates)
    hits = "" if numeric else f"{count(estimate.hits, 'hit')} in "
    error = number(estimate.mean_weight_error, 1)
    return (
        f"It rests on {hits}{count(replies, 'reply')} at"
        f" {count(len(rates), 'α')}, with an effective size of {size(estimate.effective_size)} and"
        f" a mean weight of {number(estimate.mean_weight)} ± {error} (expected is 1)"
    )

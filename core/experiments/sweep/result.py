"""What a sweep found: rates over α, and the estimated rate of each behaviour in the target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from logit_amp_chat.core.analysis.proportions import mean_interval, wilson
from logit_amp_chat.core.analysis.true_rate import Estimate, Over, estimate
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.counts import Counts
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.labels import ErrorRates
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a behaviour was seen at one α, with a 95 % interval.

    Of a behaviour that is a number, `rate` is its mean and `hits` the sum of its values.
    """

    alpha: float
    replies: int
    hits: float
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaSummary:
    """The replies at one α: means over tokens in nats, tokens a reply, share that was cut off.

    `kl` is KL(after‖before), `log_p_after` the log-probability under `after`; both are None
    without log-probabilities.
    """

    alpha: float
    replies: int
    kl: float | None
    log_p_after: float | None
    length: float
    cut: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptResult:
    """One behaviour in the replies to one prompt."""

    prompt: SweepPrompt
    rates: tuple[Rate, ...]
    estimate: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourResult:
    """One behaviour: its rates over α, and the estimate for the model at the target α.

    Of `refused` replies it could not be said whether they show it: they count nowhere.
    `errors` are measured on replies that were marked by hand, if any were. `curve` has the
    estimate for the model at every α of the grid, from all replies together.
    """

    name: str
    kind: str
    numeric: bool
    definition: Mapping[str, Any]
    refused: int
    rates: tuple[Rate, ...]
    estimate: Estimate | None
    curve: tuple[tuple[float, Estimate], ...]
    by_prompt: tuple[PromptResult, ...]
    errors: ErrorRates | None = None

    @property
    def doubtful(self) -> tuple[Rate, ...]:
        """The rates that the errors of what decides may explain, where these were measured."""
        if self.errors is None:
            return ()
        return tuple(
            one
            for one in self.rates
            if one.rate is not None and self.errors.may_be_errors(one.rate)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """Everything that a sweep found; `no_estimate` says why there is none, "" where there is.

    `over` is what the intervals of estimates are over. `published` is what the file of a
    published sweep says of its sampling, which is all that is known of it; else None.
    """

    settings: SweepSettings
    over: Over
    profile: str
    prompts: tuple[SweepPrompt, ...]
    alphas: tuple[AlphaSummary, ...]
    behaviours: tuple[BehaviourResult, ...]
    tokens: int
    seconds: float
    no_estimate: str
    published: Mapping[str, Any] | None = None

    @property
    def wanted(self) -> int:
        """Replies that there are once the sweep is finished."""
        return self.settings.replies_to(len(self.prompts))

    @property
    def complete(self) -> bool:
        """Whether every reply that is wanted is there."""
        return sum(one.replies for one in self.alphas) >= self.wanted


def result_of(
    folder: SweepFolder, counts: Counts, behaviours: Sequence[Behaviour], over: Over = "replies"
) -> SweepResult:
    """The result of what was counted. Raises UsageError where `over` is not possible."""
    contents, settings = folder.contents, folder.settings
    why = _no_estimate(folder, counts)
    return SweepResult(
        settings=settings,
        over=over,
        profile=str(contents.session.profile.get("name") or ""),
        prompts=folder.prompts,
        alphas=tuple(_summary(counts, alpha) for alpha in sorted(counts.totals)),
        behaviours=tuple(
            _behaviour(folder, counts, behaviour, over, bool(why)) for behaviour in behaviours
        ),
        tokens=sum(total.tokens for total in counts.totals.values()),
        seconds=contents.seconds,
        no_estimate=why,
        published=contents.published,
    )


def _no_estimate(folder: SweepFolder, counts: Counts) -> str:
    """Why the target's rate cannot be estimated from these replies; "" where it can."""
    if not folder.contents.settled:
        return (
            "The sweep was cut off: short replies end first, so these counts are provisional."
            " Run it again to finish."
        )
    if counts.unweighed:
        return f"{counts.unweighed:,} replies lack log-probabilities, so there is no estimate."
    lacking = sum(not group.alphas for group in counts.groups.values())
    if lacking:
        return f"{lacking:,} of {len(counts.groups):,} prompts have no reply yet."
    return ""


def _summary(counts: Counts, alpha: float) -> AlphaSummary:
    total = counts.totals[alpha]
    measured = total.measured
    return AlphaSummary(
        alpha=alpha,
        replies=total.replies,
        kl=total.kl / measured if measured else None,
        log_p_after=total.after / measured if measured else None,
        length=total.tokens / total.replies,
        cut=total.cut / total.replies,
    )


def _behaviour(
    folder: SweepFolder, counts: Counts, behaviour: Behaviour, over: Over, unknown: bool
) -> BehaviourResult:
    settings, name = folder.settings, behaviour.name

    def at(target: float, prompts: Sequence[str], over: Over) -> Estimate | None:
        samples = [] if unknown else [counts.sample(name, prompt) for prompt in prompts]
        if not all(len(sample.value) for sample in samples) or not samples:
            return None
        return estimate(
            samples,
            target=counts.grid.index(target),
            numeric=behaviour.numeric,
            over=over,
            coupled=settings.coupled,
        )

    every = [prompt.id for prompt in folder.prompts]
    curve = [(alpha, at(alpha, every, over)) for alpha in counts.grid]
    return BehaviourResult(
        name=name,
        kind=behaviour.kind,
        numeric=behaviour.numeric,
        definition=behaviour.definition,
        refused=counts.refused(name),
        rates=_rates(counts, behaviour, None),
        estimate=at(settings.target, every, over),
        curve=tuple((alpha, found) for alpha, found in curve if found is not None),
        by_prompt=tuple(
            PromptResult(
                prompt=prompt,
                rates=_rates(counts, behaviour, prompt.id),
                estimate=at(settings.target, [prompt.id], "replies"),
            )
            for prompt in folder.prompts
        ),
    )


def _rates(counts: Counts, behaviour: Behaviour, prompt: str | None) -> tuple[Rate, ...]:
    return tuple(
        rate_of(alpha, counts.values(behaviour.name, alpha, prompt), behaviour.numeric)
        for alpha in sorted(counts.totals)
    )


def rate_of(alpha: float, values: Sequence[float], numeric: bool) -> Rate:
    """How often these values are 1, or their mean, with its interval."""
    hits = math.fsum(values) if numeric else int(sum(values))
    if not values:
        low, high = (-math.inf, math.inf) if numeric else (0.0, 1.0)
        return Rate(alpha=alpha, replies=0, hits=0, rate=None, low=low, high=high)
    low, high = mean_interval(values) if numeric else wilson(int(hits), len(values))
    return Rate(
        alpha=alpha, replies=len(values), hits=hits, rate=hits / len(values), low=low, high=high
    )

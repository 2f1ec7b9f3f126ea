"""Finds phrases that amplification makes commoner, for who does not know what to look for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from logit_amp_chat.core.analysis.proportions import wilson
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.phrase_search import (
    Candidate,
    Groups,
    SampledText,
    fisher,
    found_phrases,
)
from logit_amp_chat.core.experiments.sweep.phrases import Phrase, PhraseText, name_of
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply

FALSE_DISCOVERIES = 0.05

HIGH = 0.5
"""The share of the largest |α| of a sign from which on an α is high."""


@dataclass(frozen=True, slots=True)
class Count:
    """Hits among replies, one at least, with the rate's 95 % Wilson interval."""

    hits: int
    replies: int
    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[bool]) -> Count:
        """The count of what replies are."""
        hits, replies = sum(values), len(values)
        return cls(hits, replies, hits / replies, *wilson(hits, replies))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPhrase:
    """A phrase that was commoner at `alphas` than at α = 0 where it was found.

    `amplified` and `zero` count it on the other half of the replies, where it is said in
    answers to `prompts` of `all_prompts` prompts at `alphas`. `p_value` is that of Fisher's exact
    test there, one-sided; `is_confirmed` phrases are commoner there too, with at most 5 % of
    them wrong on average (Benjamini and Yekutieli 2001, over all phrases carried over).
    """

    phrase: Phrase
    alphas: tuple[float, ...]
    amplified: Count
    zero: Count
    prompts: int
    all_prompts: int
    p_value: float
    is_confirmed: bool


def is_confirming(reply: SweepReply) -> bool:
    """Whether a reply is of the half on which phrases are counted; on the other they are found.

    Replies of one n stay together: with coupled noise they depend on each other. Only these
    replies give a rate of a found phrase that its choice has not made too high.
    """
    return reply.n % 2 == 1


def discover(
    prompts: Iterable[SweepPrompt],
    replies: Sequence[SweepReply],
    taken: Collection[str] = (),
    *,
    coupled: bool = False,
) -> list[FoundPhrase]:
    """Phrases that are commoner at high |α| than at α = 0: the confirmed ones first.

    High are the αs of a sign that reach half of the largest of them; of `coupled` replies that
    one alone, as those of one n depend on each other. Replies are pooled over prompts that have
    some at α = 0 and at high |α|. The phrases get names that are not `taken`.
    Raises UsageError where a half has no replies at α = 0, or none at another α.
    """
    by_id = {prompt.id: prompt for prompt in prompts}
    said = [SampledText.of(by_id[reply.prompt], reply) for reply in replies]
    halves = [[one for one in said if is_confirming(one.reply) is half] for half in (False, True)]
    candidates: list[tuple[Candidate, tuple[float, ...]]] = []
    can_be_split = False
    for alphas in _high_alphas(replies, 1.0 if coupled else HIGH):
        finding, confirming = (Groups.of(half, alphas) for half in halves)
        if not finding.is_empty and not confirming.is_empty:
            can_be_split = True
            candidates += [(one, alphas) for one in found_phrases(finding)]
    if not can_be_split:
        raise UsageError(
            "Phrases are found on one half of the replies and counted on the other, at α = 0 and"
            " at other αs; here is not enough for that.",
            "Sample at least 2 replies per prompt and α, with other αs than 0.",
        )
    return _counted(candidates, halves[1], taken)


def _high_alphas(replies: Iterable[SweepReply], share: float) -> Iterator[tuple[float, ...]]:
    """The αs above 0 that reach this share of the largest, and those below."""
    grid = sorted({reply.alpha for reply in replies})
    for side in ([a for a in grid if a > 0], [a for a in grid if a < 0]):
        if side:
            largest = max(map(abs, side))
            yield tuple(alpha for alpha in side if abs(alpha) >= share * largest)


# --- counting on the other half -------------------------------------------------


@dataclass
class _Tally:
    """What the confirming half says of a candidate."""

    phrase: Phrase
    alphas: tuple[float, ...]
    zero: list[bool] = field(default_factory=list)
    high: list[bool] = field(default_factory=list)
    prompts: set[str] = field(default_factory=set)
    all_prompts: int = 0


def _counted(
    candidates: Iterable[tuple[Candidate, tuple[float, ...]]],
    half: Sequence[SampledText],
    taken: Collection[str],
) -> list[FoundPhrase]:
    from scipy import stats

    names, tallies = set(taken), []
    for candidate, alphas in candidates:
        key = candidate.key
        name = name_of(key.text, names)
        names.add(name)
        phrase = Phrase(name, key.text, candidate.tokens, begins=key.begins)
        tallies.append(_tally(phrase, key, alphas, half))
    if not tallies:
        return []
    p_values = [
        fisher([(sum(one.zero), sum(one.high))], len(one.zero), len(one.high))[0] for one in tallies
    ]
    adjusted = stats.false_discovery_control(p_values, method="by")
    found = [
        FoundPhrase(
            phrase=one.phrase,
            alphas=one.alphas,
            amplified=Count.of(one.high),
            zero=Count.of(one.zero),
            prompts=len(one.prompts),
            all_prompts=one.all_prompts,
            p_value=p_value,
            is_confirmed=bool(value <= FALSE_DISCOVERIES),
        )
        for one, p_value, value in zip(tallies, p_values, adjusted, strict=True)
    ]
    return sorted(found, key=lambda one: (not one.is_confirmed, one.p_value))


def _tally(
    phrase: Phrase, key: PhraseText, alphas: tuple[float, ...], half: Sequence[SampledText]
) -> _Tally:
    groups = Groups.of(half, alphas)
    found = _Tally(phrase, alphas)
    found.zero = [key.place(one.text) >= 0 for one in groups.zero]
    found.high = [key.place(one.text) >= 0 for one in groups.high]
    found.prompts = {one.prompt.id for one, has in zip(groups.high, found.high, strict=True) if has}
    found.all_prompts = len({one.prompt.id for one in groups.high})
    return found

"""Finds phrases that amplification makes commoner, for who does not know what to look for."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.phrases import Phrase, name_of, sampled_from
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply

LONGEST = 8
"""Tokens of the phrases that are counted; what always stands around one is added to it."""
LONGEST_TEXT = 200
"""Characters of a phrase."""
FEWEST = 3
"""Replies of the finding half that have a phrase, at high |α|."""
SCREENED = 300
"""Phrases of each sign of α whose replies are compared."""
CARRIED = 20
"""Phrases of each sign of α that are counted on the other half."""
ALIKE = 0.5
"""Phrases that share this much of their replies are one: the one that differs most stays."""
FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True, slots=True)
class Count:
    """Hits among replies, with the rate's 95 % Wilson interval; NaN without replies."""

    hits: int
    replies: int
    rate: float
    low: float
    high: float


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
    prompts: Iterable[SweepPrompt], replies: Sequence[SweepReply], taken: Collection[str] = ()
) -> list[FoundPhrase]:
    """Phrases that are commoner at high |α| than at α = 0: the confirmed ones first.

    High are the αs of a sign that reach half of the largest of them. Replies are pooled over
    prompts that have some at α = 0 and at high |α|. The phrases get names that are not `taken`.
    Raises UsageError where a half has no replies at α = 0, or none at another α.
    """
    by_id = {prompt.id: prompt for prompt in prompts}
    said = [_Said.of(by_id[reply.prompt], reply) for reply in replies]
    halves = [[one for one in said if is_confirming(one.reply) is half] for half in (False, True)]
    candidates: list[tuple[_Candidate, tuple[float, ...]]] = []
    can_be_split = False
    for alphas in _high_alphas(replies):
        finding, confirming = (_Groups.of(half, alphas) for half in halves)
        if not finding.is_empty and not confirming.is_empty:
            can_be_split = True
            candidates += [(one, alphas) for one in _found(finding)]
    if not can_be_split:
        raise UsageError(
            "Phrases are found on one half of the replies and counted on the other, at α = 0 and"
            " at other αs; here is not enough for that.",
            "Sample at least 2 replies per prompt and α, with other αs than 0.",
        )
    return _counted(candidates, halves[1], taken)


def _high_alphas(replies: Iterable[SweepReply]) -> Iterator[tuple[float, ...]]:
    """The high αs above 0, and those below."""
    grid = sorted({reply.alpha for reply in replies})
    for side in ([a for a in grid if a > 0], [a for a in grid if a < 0]):
        if side:
            largest = max(map(abs, side))
            yield tuple(alpha for alpha in side if abs(alpha) >= largest / 2)


# --- replies as pieces of text --------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Said:
    """The sampled part of a reply, cut where tokens complete characters."""

    prompt: SweepPrompt
    reply: SweepReply
    text: str
    cuts: tuple[int, ...]
    """Where pieces begin and end in `text`."""

    @classmethod
    def of(cls, prompt: SweepPrompt, reply: SweepReply) -> _Said:
        start = sampled_from(prompt, reply)
        cuts = sorted({0, *(max(0, length - start) for length in reply.lengths)})
        return cls(prompt, reply, reply.text[start : start + cuts[-1]], tuple(cuts))

    def grams(self, size: int) -> Iterator[tuple[int, int]]:
        """The characters [start, end) of every `size` neighbouring pieces."""
        return zip(self.cuts, self.cuts[size:], strict=False)

    def tokens(self, start: int, end: int) -> tuple[int, ...]:
        """The ids of the tokens that complete the characters [start, end)."""
        first = sampled_from(self.prompt, self.reply)
        places = zip(self.reply.tokens, self.reply.lengths, strict=False)
        return tuple(token for token, length in places if start < length - first <= end)


class _Key(NamedTuple):
    """A phrase: its text, and whether replies begin with it."""

    text: str
    begins: bool

    def place(self, text: str) -> int:
        """Where it stands first in a text; −1 if nowhere."""
        if self.begins:
            return 0 if text.startswith(self.text) else -1
        return text.find(self.text)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Replies at α = 0 and at high |α|, of prompts that have both."""

    zero: list[_Said]
    high: list[_Said]

    @classmethod
    def of(cls, said: Iterable[_Said], alphas: Collection[float]) -> _Groups:
        said = list(said)
        zero = [one for one in said if one.reply.alpha == 0]
        high = [one for one in said if one.reply.alpha in alphas]
        both = {one.prompt.id for one in zero} & {one.prompt.id for one in high}
        return cls(*([one for one in side if one.prompt.id in both] for side in (zero, high)))

    @property
    def is_empty(self) -> bool:
        return not (self.zero and self.high)


# --- finding --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A phrase, the replies at high |α| that have it, and its p-value where it was found."""

    key: _Key
    high: frozenset[int]
    p_value: float
    tokens: tuple[int, ...] = ()


def _found(groups: _Groups) -> list[_Candidate]:
    """The phrases that differ most, each with what always stands around it."""
    counts = _frequent(groups)
    keys = list(counts)
    p_values = _fisher([counts[key] for key in keys], len(groups.zero), len(groups.high))
    order = sorted(
        range(len(keys)), key=lambda n: (p_values[n], keys[n].begins, -len(keys[n].text))
    )
    screened = [keys[n] for n in order[:SCREENED] if p_values[n] < FALSE_DISCOVERIES]
    chosen: list[_Candidate] = []
    for one in _by_replies(screened, groups):
        if len(chosen) == CARRIED:
            break
        if not any(_overlap(one.high, other.high) >= ALIKE for other in chosen):
            chosen.append(_extended(one, groups))
    return chosen


def _frequent(groups: _Groups) -> dict[_Key, tuple[int, int]]:
    """In how many replies phrases are, at α = 0 and at high |α|, if in FEWEST of the latter.

    A phrase is as rare as its rarest part, so that longer ones are only made of frequent ones.
    """
    found: dict[_Key, tuple[int, int]] = {}
    shorter: set[str] | None = None
    for size in range(1, LONGEST + 1):
        counts: dict[_Key, list[int]] = {}
        for group, side in enumerate((groups.zero, groups.high)):
            for said in side:
                for key in _phrases(said, size, shorter):
                    counts.setdefault(key, [0, 0])[group] += 1
        frequent = {key: (n[0], n[1]) for key, n in counts.items() if n[1] >= FEWEST}
        found |= frequent
        shorter = {key.text for key in frequent}
        if not shorter:
            break
    return found


def _phrases(said: _Said, size: int, shorter: set[str] | None) -> set[_Key]:
    """The phrases of `size` pieces in a reply whose two parts, one piece shorter, are frequent."""
    found: set[_Key] = set()
    text, cuts = said.text, said.cuts
    for n, (start, end) in enumerate(said.grams(size)):
        if shorter is not None and not (
            text[start : cuts[n + size - 1]] in shorter and text[cuts[n + 1] : end] in shorter
        ):
            continue
        found.add(_Key(text[start:end], False))
        if n == 0:
            found.add(_Key(text[start:end], True))
    return found


def _by_replies(keys: Sequence[_Key], groups: _Groups) -> list[_Candidate]:
    """Candidates by p-value, counted as text; of those in the same replies the longest."""
    found: dict[tuple[frozenset[int], int], _Candidate] = {}
    for key in keys:
        high = frozenset(n for n, one in enumerate(groups.high) if key.place(one.text) >= 0)
        zero = sum(key.place(one.text) >= 0 for one in groups.zero)
        p_value = _fisher([(zero, len(high))], len(groups.zero), len(groups.high))[0]
        other = found.get((high, zero))
        if other is None or _rank(key) < _rank(other.key):
            found[high, zero] = _Candidate(key, high, p_value)
    return sorted(found.values(), key=lambda one: (one.p_value, *_rank(one.key)))


def _rank(key: _Key) -> tuple[bool, int, str]:
    """Phrases before beginnings, longer before shorter."""
    return key.begins, -len(key.text), key.text


def _overlap(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)


def _extended(one: _Candidate, groups: _Groups) -> _Candidate:
    """The phrase with the pieces that stand around it in all of its replies, and its tokens."""
    said = [groups.high[n] for n in sorted(one.high)]
    size = len(one.key.text)
    places = [(reply.text, one.key.place(reply.text)) for reply in said]
    behind = _common_start([text[at + size :] for text, at in places])
    before = _common_start([text[:at][::-1] for text, at in places])
    first, start = said[0], places[0][1]
    end = start + size
    begin = min([start, *_between(first, max(start - before, end - LONGEST_TEXT), start)])
    until = max([end, *_between(first, end, min(end + behind, begin + LONGEST_TEXT))])
    key = _Key(first.text[begin:until], one.key.begins)
    return replace(one, key=key, tokens=first.tokens(begin, until))


def _common_start(texts: Sequence[str]) -> int:
    """How many characters all texts begin with."""
    first, last = min(texts), max(texts)
    return next(
        (n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )


def _between(said: _Said, start: int, end: int) -> list[int]:
    """Where pieces begin or end from one character to another."""
    return [cut for cut in said.cuts if start <= cut <= end]


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
    candidates: Iterable[tuple[_Candidate, tuple[float, ...]]],
    half: Sequence[_Said],
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
        _fisher([(sum(one.zero), sum(one.high))], len(one.zero), len(one.high))[0]
        for one in tallies
    ]
    adjusted = stats.false_discovery_control(p_values, method="by")
    found = [
        FoundPhrase(
            phrase=one.phrase,
            alphas=one.alphas,
            amplified=wilson(sum(one.high), len(one.high)),
            zero=wilson(sum(one.zero), len(one.zero)),
            prompts=len(one.prompts),
            all_prompts=one.all_prompts,
            p_value=p_value,
            is_confirmed=bool(value <= FALSE_DISCOVERIES),
        )
        for one, p_value, value in zip(tallies, p_values, adjusted, strict=True)
    ]
    return sorted(found, key=lambda one: (not one.is_confirmed, one.p_value))


def _tally(phrase: Phrase, key: _Key, alphas: tuple[float, ...], half: Sequence[_Said]) -> _Tally:
    groups = _Groups.of(half, alphas)
    found = _Tally(phrase, alphas)
    found.zero = [key.place(one.text) >= 0 for one in groups.zero]
    found.high = [key.place(one.text) >= 0 for one in groups.high]
    found.prompts = {one.prompt.id for one, has in zip(groups.high, found.high, strict=True) if has}
    found.all_prompts = len({one.prompt.id for one in groups.high})
    return found


def _fisher(counts: Sequence[tuple[int, int]], zero: int, high: int) -> list[float]:
    """One-sided p-values of hits at α = 0 and at high |α|, of so many replies: commoner there."""
    import numpy as np
    from scipy import stats

    if not counts:
        return []
    table = np.array(counts)
    found = stats.hypergeom.sf(table[:, 1] - 1, zero + high, table.sum(axis=1), high)
    return [float(one) for one in found]


def wilson(hits: int, replies: int) -> Count:
    """A count with its 95 % Wilson interval."""
    from scipy import stats

    if not replies:
        return Count(0, 0, math.nan, math.nan, math.nan)
    found = stats.binomtest(hits, replies).proportion_ci(0.95, "wilson")
    return Count(hits, replies, hits / replies, float(found.low), float(found.high))

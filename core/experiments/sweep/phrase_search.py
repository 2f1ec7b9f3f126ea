"""The phrases of many replies, and those whose rate differs most between α = 0 and high |α|."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from logit_amp_chat.core.experiments.sweep.phrases import PhraseText, sampled_from
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply

LONGEST = 8
"""Words of the phrases that are counted; what always stands around one is added to it."""
LONGEST_TEXT = 200
"""Characters of a phrase."""
FEWEST = 3
"""Replies of the finding half that have a phrase, at high |α|."""
SCREENED = 1000
"""Phrases of each sign of α whose replies are compared."""
CARRIED = 20
"""Phrases of each sign of α that are counted on the other half."""
ALIKE = 0.5
"""Phrases that share this much of their replies are one: the one that differs most stays."""
SCREENING_LEVEL = 0.05
"""The p-value of a phrase that is worth a second look."""

# --- replies as pieces of text --------------------------------------------------


@dataclass(frozen=True, slots=True)
class SampledText:
    """The sampled part of a reply, cut where tokens end, but not inside a word.

    Where words have no spaces between them, as in Chinese, tokens are the pieces; of a reply
    that was imported without tokens, characters.
    """

    prompt: SweepPrompt
    reply: SweepReply
    text: str
    cuts: tuple[int, ...]
    """Where pieces begin and end in `text`."""

    @classmethod
    def of(cls, prompt: SweepPrompt, reply: SweepReply) -> SampledText:
        """What was sampled of a reply."""
        start = sampled_from(prompt, reply)
        lengths = reply.lengths or range(start, len(reply.text) + 1)
        ends = sorted({0, *(max(0, length - start) for length in lengths)})
        text = reply.text[start : start + ends[-1]]
        cuts = [
            at
            for at in ends
            if not (_is_in_word(text[at - 1 : at]) and _is_in_word(text[at : at + 1]))
        ]
        return cls(prompt, reply, text, tuple(cuts))

    def tokens(self, start: int, end: int) -> tuple[int, ...]:
        """The ids of the tokens that complete the characters [start, end)."""
        first = sampled_from(self.prompt, self.reply)
        places = zip(self.reply.tokens, self.reply.lengths, strict=False)
        return tuple(token for token, length in places if start < length - first <= end)


def _is_in_word(character: str) -> bool:
    """Whether words with spaces between them are written with it: digits, and what has capitals."""
    return character.isdigit() or character.lower() != character.upper()


@dataclass(frozen=True, slots=True)
class Groups:
    """Replies at α = 0 and at high |α|, of prompts that have both."""

    zero: list[SampledText]
    high: list[SampledText]

    @classmethod
    def of(cls, said: Iterable[SampledText], alphas: Collection[float]) -> Groups:
        """The replies at α = 0 and at `alphas`."""
        said = list(said)
        zero = [one for one in said if one.reply.alpha == 0]
        high = [one for one in said if one.reply.alpha in alphas]
        both = {one.prompt.id for one in zero} & {one.prompt.id for one in high}
        return cls(*([one for one in side if one.prompt.id in both] for side in (zero, high)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be compared."""
        return not (self.zero and self.high)


# --- finding --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A phrase, the replies that have it, at α = 0 and at high |α|, and its p-value there."""

    key: PhraseText
    zero: frozenset[int]
    high: frozenset[int]
    p_value: float
    tokens: tuple[int, ...] = ()


def found_phrases(groups: Groups) -> list[Candidate]:
    """The phrases that differ most, each with what always stands around it."""
    counts = _frequent(groups)
    keys = list(counts)
    p_values = fisher([counts[key] for key in keys], len(groups.zero), len(groups.high))
    order = sorted(
        range(len(keys)), key=lambda n: (p_values[n], keys[n].begins, -len(keys[n].text))
    )
    screened = [keys[n] for n in order[:SCREENED] if p_values[n] < SCREENING_LEVEL]
    chosen: list[Candidate] = []
    for one in _by_replies(screened, groups):
        if len(chosen) == CARRIED:
            break
        if not any(_is_explained(one, other) for other in chosen):
            chosen.append(_extended(one, groups))
    return chosen


def _frequent(groups: Groups) -> dict[PhraseText, tuple[int, int]]:
    """In how many replies phrases are, at α = 0 and at high |α|, if in FEWEST of the latter.

    A phrase is as rare as its rarest part, so that longer ones are only made of frequent ones.
    """
    found: dict[PhraseText, tuple[int, int]] = {}
    shorter: set[str] = set()
    for size in range(1, LONGEST + 1):
        counts: dict[PhraseText, list[int]] = {}
        for group, side in enumerate((groups.zero, groups.high)):
            for said in side:
                for key in _phrases(said, size, shorter):
                    counts.setdefault(key, [0, 0])[group] += 1
        frequent = {key: (n[0], n[1]) for key, n in counts.items() if n[1] >= FEWEST}
        found |= frequent
        if not frequent:
            break
        shorter = {"", *(key.text for key in frequent)}
    return found


def _phrases(said: SampledText, size: int, shorter: set[str]) -> set[PhraseText]:
    """The phrases of `size` pieces in a reply whose two parts, one piece shorter, are frequent.

    They have no space at their ends, so that the first word of a reply is that of later ones.
    """
    found: set[PhraseText] = set()
    text, cuts = said.text, said.cuts
    for n, (start, end) in enumerate(zip(cuts, cuts[size:], strict=False)):
        parts = (text[start : cuts[n + size - 1]], text[cuts[n + 1] : end])
        if size > 1 and not all(part.strip(" ") in shorter for part in parts):
            continue
        if phrase := text[start:end].strip(" "):
            found.add(PhraseText(phrase, False))
            if n == 0 and text.startswith(phrase):
                found.add(PhraseText(phrase, True))
    return found


def _by_replies(keys: Sequence[PhraseText], groups: Groups) -> list[Candidate]:
    """Candidates by p-value, counted as text; of those in the same replies the longest."""
    found: dict[tuple[frozenset[int], frozenset[int]], Candidate] = {}
    for key in keys:
        zero, high = (
            frozenset(n for n, one in enumerate(side) if key.place(one.text) >= 0)
            for side in (groups.zero, groups.high)
        )
        p_value = fisher([(len(zero), len(high))], len(groups.zero), len(groups.high))[0]
        other = found.get((zero, high))
        if other is None or _rank(key) < _rank(other.key):
            found[zero, high] = Candidate(key, zero, high, p_value)
    return sorted(found.values(), key=lambda one: (one.p_value, *_rank(one.key)))


def _rank(key: PhraseText) -> tuple[bool, int, str]:
    """Phrases before beginnings, longer before shorter."""
    return key.begins, -len(key.text), key.text


def _is_explained(one: Candidate, other: Candidate) -> bool:
    """Whether a phrase says no more than one that differs more.

    So it is if both are in much the same replies, or if all its replies have the other one, and
    among those it is no commoner at high |α|.
    """
    both = one.high & other.high
    if len(both) >= ALIKE * len(one.high | other.high):
        return True
    if both != one.high:
        return False
    counts = len(one.zero & other.zero), len(both)
    return fisher([counts], len(other.zero), len(other.high))[0] > SCREENING_LEVEL


def _extended(one: Candidate, groups: Groups) -> Candidate:
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
    text = first.text[begin:until]
    begin += len(text) - len(text.lstrip(" "))
    key = PhraseText(text.strip(" "), one.key.begins)
    return replace(one, key=key, tokens=first.tokens(begin, begin + len(key.text)))


def _common_start(texts: Sequence[str]) -> int:
    """How many characters all texts begin with."""
    first, last = min(texts), max(texts)
    return next(
        (n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )


def _between(said: SampledText, start: int, end: int) -> list[int]:
    """Where pieces begin or end from one character to another."""
    return [cut for cut in said.cuts if start <= cut <= end]


def fisher(counts: Sequence[tuple[int, int]], zero: int, high: int) -> list[float]:
    """One-sided p-values of hits at α = 0 and at high |α|, of so many replies: commoner there."""
    import numpy as np
    from scipy import stats

    if not counts:
        return []
    table = np.array(counts)
    found = stats.hypergeom.sf(table[:, 1] - 1, zero + high, table.sum(axis=1), high)
    return [float(one) for one in found]

"""Finds the messages of a conversation in the text that its chat template makes of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, pairwise

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.text_marks import any_mark, mark_of, unused_character
from logit_amp_chat.core.models.token_offsets import Range
from logit_amp_chat.core.records import Message

# Where in a message its mark is put, as a share of its length. Templates look at how a message
# begins or ends, or cut it at </think>: often one of these places changes nothing.
PLACES = (1.0, 0.0, 0.5)


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A conversation's text and where its messages stand in it, in characters.

    `spans` has the messages, by number from 0, whose place is certain. `generated` has, for
    every message of the assistant, what the template says the model wrote, often with more
    around the message than its text; empty if the template does not say it, or not of each.
    """

    text: str
    spans: dict[int, Range]
    generated: dict[int, Range]


@dataclass(frozen=True, slots=True)
class _Mark:
    """The mark of message `number` in a text: characters [start, end)."""

    number: int
    start: int
    end: int


def render_with_spans(
    chat: ChatTemplate, messages: Sequence[Message], system: str | None, moment: datetime
) -> RenderedChat:
    """Render a conversation without opening a reply, and locate its messages.

    Every message gets a mark in the middle of its text or at an end of it, and the template
    renders that. A message is located if the rest of the text is as without marks, its mark
    is there once, and its whole text stands around it. Spaces at its ends belong to it where
    the template keeps them. Searching for a message's text alone would be wrong: "user" or "26"
    also stand in headers and dates.

    Raises LogitAmpError if the template refuses the messages.
    """
    text = chat.rendered(messages, system, moment)
    search = _Search(chat, system, moment)
    spans, generated = search.located(text, messages)
    bare = [replace(m, text=m.text.strip()) if n in spans else m for n, m in enumerate(messages)]
    if bare != [*messages]:
        fixed, found = "", dict[int, Range]()
        with suppress(LogitAmpError):  # it may refuse empty messages
            fixed = chat.rendered(bare, system, moment)
            found, _ = search.located(fixed, bare)
        spans = _with_spaces(messages, (text, spans), (fixed, found))
    return RenderedChat(text, generated | spans, generated)


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for messages in what a template makes of them for one side."""

    chat: ChatTemplate
    system: str | None
    moment: datetime

    def located(
        self, text: str, messages: Sequence[Message]
    ) -> tuple[dict[int, Range], dict[int, Range]]:
        """The messages without the spaces around them in `text`, and what was generated."""
        spans, generated = self._located(text, messages, range(len(messages)))
        if not spans:  # a mark in one of them changed the text of others
            for n in range(len(messages)):
                spans |= self._located(text, messages, [n])[0]
        return _apart(spans), generated

    def _located(
        self, text: str, messages: Sequence[Message], chosen: Sequence[int]
    ) -> tuple[dict[int, Range], dict[int, Range]]:
        """Locate the messages `chosen`, with marks in these alone."""
        spans: dict[int, Range] = {}
        generated: dict[int, Range] = {}
        sign = unused_character([text, *(m.text for m in messages)])
        for place in PLACES:
            marked = [
                _with_mark(m, n, place, sign) if n in chosen else m for n, m in enumerate(messages)
            ]
            marks = self._marks(text, marked, sign)
            for n, at in _positions(marks).items():
                core = messages[n].text.strip()
                start = at - int(len(core) * place)
                if start >= 0 and text[start : start + len(core)] == core:
                    spans.setdefault(n, (start, start + len(core)))
            if marks and not generated:
                blocks = self.chat.generated(marked, self.system, self.moment)
                generated = _generated(blocks, marks, messages)
            if len(spans) == len(chosen):
                break
        return spans, generated

    def _marks(self, text: str, marked: Sequence[Message], sign: str) -> list[_Mark]:
        """The marks in the rendering; none if it differs from `text` by more than them."""
        try:
            rendered = self.chat.rendered(marked, self.system, self.moment)
        except LogitAmpError:  # the template does not accept a mark here
            return []
        pattern = any_mark(sign)
        if pattern.sub("", rendered) != text:
            return []
        return [_Mark(int(m[1]), m.start(), m.end()) for m in pattern.finditer(rendered)]


def _spaces(text: str) -> tuple[str, str]:
    """The spaces before and after a text; of a blank one, all are before it."""
    start = len(text) - len(text.lstrip())
    return text[:start], text[max(start, len(text.rstrip())) :]


def _with_mark(message: Message, number: int, place: float, sign: str) -> Message:
    """The message with a mark inside the spaces at its ends: templates may strip these."""
    core = message.text.strip()
    at = len(_spaces(message.text)[0]) + int(len(core) * place)
    text = message.text[:at] + mark_of(number, sign) + message.text[at:]
    return replace(message, text=text)


def _positions(marks: Sequence[_Mark]) -> dict[int, int]:
    """Where the marks that are there once would be without any marks, by message."""
    found: dict[int, list[int]] = {}
    before = 0  # characters of marks
    for mark in marks:
        found.setdefault(mark.number, []).append(mark.start - before)
        before += mark.end - mark.start
    return {n: at[0] for n, at in found.items() if len(at) == 1}


def _apart(spans: dict[int, Range]) -> dict[int, Range]:
    """The spans that no other one overlaps."""
    wrong: set[int] = set()
    last: int | None = None  # of those so far the one that ends last
    for n in sorted(spans, key=lambda n: (spans[n], n)):
        if last is not None and spans[last][1] > spans[n][0]:
            wrong |= {last, n}
        if last is None or spans[n][1] >= spans[last][1]:
            last = n
    return {n: span for n, span in spans.items() if n not in wrong}


def _generated(
    blocks: Sequence[Range], marks: Sequence[_Mark], messages: Sequence[Message]
) -> dict[int, Range]:
    """The block of a marked text that each message is in, in characters of the text without marks.

    Empty unless there is one with nothing but that message for each of the assistant's, and no
    other: blocks inside of macros are counted from a wrong start.
    """
    lengths = [0, *accumulate(mark.end - mark.start for mark in marks)]
    ends = [mark.end for mark in marks]
    found: list[tuple[int, Range]] = []
    for start, end in blocks:
        first, last = bisect_right(ends, start), bisect_right(ends, end)
        if last != first + 1 or marks[first].start < start:
            return {}
        found.append((marks[first].number, (start - lengths[first], end - lengths[last])))
    wanted = [n for n, m in enumerate(messages) if m.role == "assistant"]
    return dict(found) if [n for n, _ in found] == wanted else {}


def _with_spaces(
    messages: Sequence[Message],
    rendered: tuple[str, dict[int, Range]],
    bare: tuple[str, dict[int, Range]],
) -> dict[int, Range]:
    """Add to each span the spaces at the ends of its message that the template kept.

    Which it kept follows from `bare`, the same without these spaces. A message for which that
    is not certain has no span.
    """
    (text, spans), (fixed, stripped) = rendered, bare
    order = sorted(spans, key=lambda n: (spans[n], n))
    if order != sorted(stripped, key=lambda n: (stripped[n], n)):
        return {n: spans[n] for n in order if messages[n].text == messages[n].text.strip()}
    grown = dict(spans)
    for left, right in pairwise([None, *order, None]):
        trail = "" if left is None else _spaces(messages[left].text)[1]
        lead = "" if right is None else _spaces(messages[right].text)[0]
        gaps = (_between(text, spans, left, right), _between(fixed, stripped, left, right))
        kept = _kept(*gaps, trail, lead)
        if left is not None and left in grown and trail:
            if kept is None:
                del grown[left]
            else:
                grown[left] = (grown[left][0], grown[left][1] + kept[0])
        if right is not None and lead:
            if kept is None:
                del grown[right]
            else:
                grown[right] = (grown[right][0] - kept[1], grown[right][1])
    return grown


def _between(text: str, spans: dict[int, Range], left: int | None, right: int | None) -> str:
    start = 0 if left is None else spans[left][1]
    return text[start : len(text) if right is None else spans[right][0]]


def _kept(gap: str, fixed: str, trail: str, lead: str) -> tuple[int, int] | None:
    """How many of the spaces after one message and before the next are kept between them.

    `fixed` is the template's own text there. None if that cannot be told.
    """
    more = len(gap) - len(fixed)
    if fixed.strip():
        after = len(_spaces(gap)[0]) - len(_spaces(fixed)[0])
    elif not (trail and lead):
        after = more if trail else 0
    elif more in (0, len(trail) + len(lead)):
        after = min(more, len(trail))
    else:
        return None
    before = more - after
    if not (0 <= after <= len(trail) and 0 <= before <= len(lead)):
        return None
    whole = trail[:after] + fixed + lead[len(lead) - before :]
    return (after, before) if gap == whole else None

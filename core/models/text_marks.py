"""Marks in messages, by which a place is found again in what a template makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.token_offsets import Range
from logit_amp_chat.core.records import Message

PRIVATE_USE = range(0xE000, 0x110000)

Render = Callable[[Sequence[Message]], str]
Place = Callable[[str], int]

# Where in a part its mark is put, in characters from its start: inside of it, before it, after it.
PLACES: tuple[Place, ...] = (lambda _: 1, lambda _: 0, len)


def unused_character(texts: Iterable[str]) -> str:
    """A private-use character that is in none of the texts."""
    used = set[str]().union(*texts)
    return next(chr(code) for code in PRIVATE_USE if chr(code) not in used)


def mark_of(number: int, sign: str) -> str:
    """A mark with its number between two signs."""
    return f"{sign}{number}{sign}"


def any_mark(sign: str) -> re.Pattern[str]:
    """Finds marks; its first group is the number."""
    return re.compile(f"{sign}([0-9]+){sign}")


@dataclass(frozen=True, slots=True)
class Part:
    """Characters [start, end) of the message of this number, from 0; at least one."""

    message: int
    start: int
    end: int


def locate(
    text: str, messages: Sequence[Message], parts: Sequence[Part], render: Render
) -> tuple[list[Range], list[Part]]:
    """Where parts of messages stand in `text`, their rendering, and those whose place is unknown.

    `parts` are in order within each message. One that the template leaves out stands nowhere, one
    that it repeats in several places. Every part gets a mark after its first character, before
    it, or after it, as templates look for some words: the first of these that changes nothing
    else in the rendering counts.
    """
    found, lost = located(text, messages, parts, render)
    return [at for at, _ in found], lost


def located(
    text: str, messages: Sequence[Message], parts: Sequence[Part], render: Render
) -> tuple[list[tuple[Range, Part]], list[Part]]:
    """The same, with the part that stands in each place."""
    found = _located(text, messages, parts, render)
    if found is not None:
        return found, []
    ranges: list[tuple[Range, Part]] = []
    lost: list[Part] = []
    for number in dict.fromkeys(part.message for part in parts):
        own = [part for part in parts if part.message == number]
        found = _located(text, messages, own, render)
        if found is None:
            lost += own
        else:
            ranges += found
    return sorted(ranges, key=lambda one: one[0]), lost


def _located(
    text: str, messages: Sequence[Message], parts: Sequence[Part], render: Render
) -> list[tuple[Range, Part]] | None:
    """The places of all parts; None if every kind of mark changes the rendering."""
    sign = unused_character([text, *(m.text for m in messages)])
    pattern = any_mark(sign)
    for place in PLACES:
        try:
            rendered = render(_with_marks(messages, parts, place, sign))
        except LogitAmpError:  # the template does not accept a mark here
            continue
        if pattern.sub("", rendered) == text:
            return _ranges(text, pattern.finditer(rendered), messages, parts, place)
    return None


def _with_marks(
    messages: Sequence[Message], parts: Sequence[Part], place: Place, sign: str
) -> list[Message]:
    """The messages, with a mark at the place of every part."""
    pieces: dict[int, list[str]] = {}
    done: dict[int, int] = {}  # characters of each message so far
    for number, part in enumerate(parts):
        said = messages[part.message].text
        at = part.start + place(said[part.start : part.end])
        start = done.get(part.message, 0)
        pieces.setdefault(part.message, []).append(said[start:at] + mark_of(number, sign))
        done[part.message] = at
    marked = [*messages]
    for n, found in pieces.items():
        marked[n] = replace(messages[n], text="".join(found) + messages[n].text[done[n] :])
    return marked


def _ranges(
    text: str,
    marks: Iterable[re.Match[str]],
    messages: Sequence[Message],
    parts: Sequence[Part],
    place: Place,
) -> list[tuple[Range, Part]]:
    """The parts in `text` that the marks stand at."""
    ranges: list[tuple[Range, Part]] = []
    before = 0  # characters of marks
    for mark in marks:
        part = parts[int(mark[1])]
        said = messages[part.message].text[part.start : part.end]
        start = mark.start() - before - place(said)
        before += len(mark[0])
        if text.startswith(said, start):
            ranges.append(((start, start + len(said)), part))
    return sorted(ranges, key=lambda one: one[0])

"""Ids that stand for characters of a text, whatever its tokenization makes of these."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from logit_amp_chat.core.models.token_offsets import Range

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class GivenIds:
    """The characters [start, end) of a rendered text are these ids."""

    start: int
    end: int
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """Tokens [first, last) of a text give way to `given`."""

    first: int
    last: int
    given: GivenIds


def placed(
    offsets: Sequence[Range], given: Sequence[GivenIds]
) -> tuple[list[Placed], tuple[GivenIds, ...]]:
    """Which tokens give way to given ids, in order, and the ranges that have no place.

    `offsets` are those of the whole text (see `token_offsets`). A range whose ends are not
    between two tokens has no place; one that begins within another that has one is part of that.
    A token without characters at an end of a range stays.
    """
    found: list[Placed] = []
    left: list[GivenIds] = []
    starts = [start for start, _ in offsets]
    character = 0  # up to where the text is done with
    for one in sorted(given, key=lambda one: (one.start, -one.end)):
        if one.start < character:
            continue
        first = bisect_left(starts, one.start)
        if one.end > one.start:
            places = range(first, len(offsets))
            first = next((n for n in places if offsets[n][1] > one.start), first)
        last = max(first, bisect_left(starts, one.end))
        if _splits(offsets, first, one.start) or _splits(offsets, last, one.end):
            left.append(one)
            continue
        found.append(Placed(first, last, one))
        character = one.end
    return found, tuple(left)


def spliced(
    items: Sequence[Item], pieces: Sequence[tuple[Placed, Sequence[Item]]]
) -> tuple[Item, ...]:
    """Items, one for each token, with the pieces in the place of what gives way to them."""
    result: list[Item] = []
    done = 0
    for place, piece in pieces:
        result += [*items[done : place.first], *piece]
        done = place.last
    return (*result, *items[done:])


def _splits(offsets: Sequence[Range], token: int, character: int) -> bool:
    """Whether the token before `token` goes on after the place before `character`."""
    return token > 0 and offsets[token - 1][1] > character

"""Ids that stand for characters of a text, whatever its tokenization makes of these."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from logit_amp_chat.core.models.token_offsets import Range


@dataclass(frozen=True, slots=True)
class GivenIds:
    """The characters [start, end) of a rendered text are these ids."""

    start: int
    end: int
    ids: tuple[int, ...]


def with_given(
    ids: Sequence[int], offsets: Sequence[Range], given: Sequence[GivenIds]
) -> tuple[tuple[int, ...], tuple[GivenIds, ...]]:
    """The ids of a text with each given range replaced, and the ranges that could not be.

    `ids` and `offsets` are a tokenization of the whole text (see `token_offsets`). A range whose
    ends are not between two tokens is left as it was tokenized; one that begins within another
    that was replaced is part of that. A token without characters at an end of a range stays.
    """
    result: list[int] = []
    left: list[GivenIds] = []
    starts = [start for start, _ in offsets]
    token = character = 0  # up to where the result is complete
    for one in sorted(given, key=lambda one: (one.start, -one.end)):
        if one.start < character:
            continue
        first = bisect_left(starts, one.start)
        if one.end > one.start:
            first = next(
                (n for n in range(first, len(offsets)) if offsets[n][1] > one.start), first
            )
        last = max(first, bisect_left(starts, one.end))
        if _splits(offsets, first, one.start) or _splits(offsets, last, one.end):
            left.append(one)
            continue
        result += [*ids[token:first], *one.ids]
        token, character = last, one.end
    return (*result, *ids[token:]), tuple(left)


def _splits(offsets: Sequence[Range], token: int, character: int) -> bool:
    """Whether the token before `token` goes on after the place before `character`."""
    return token > 0 and offsets[token - 1][1] > character

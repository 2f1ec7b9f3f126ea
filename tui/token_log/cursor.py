"""Where the token cursor can go: from token to token, word, reply and hunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logit_amp_chat.core.analysis.token_metrics import TokenMetric
from logit_amp_chat.core.records import Step
from logit_amp_chat.tui.token_log.blocks import Block, ReplyBlock


@dataclass(frozen=True)
class Cursor:
    """A token of a reply."""

    reply: str
    step: int


def replies(blocks: Sequence[Block]) -> list[ReplyBlock]:
    """The replies that have a token to stand on."""
    return [block for block in blocks if isinstance(block, ReplyBlock) and block.log.steps]


def _place(found: Sequence[ReplyBlock], cursor: Cursor) -> int:
    return next((i for i, block in enumerate(found) if block.id == cursor.reply), len(found) - 1)


def by_token(blocks: Sequence[Block], cursor: Cursor, by: int) -> Cursor | None:
    """So many tokens on, from reply to reply; None past the last one."""
    found = replies(blocks)
    if not found:
        return None
    place = _place(found, cursor)
    step = cursor.step + by
    while step < 0 and place > 0:
        place -= 1
        step += len(found[place].log.steps)
    while step >= len(found[place].log.steps) and place < len(found) - 1:
        step -= len(found[place].log.steps)
        place += 1
    if step >= len(found[place].log.steps):
        return None
    return Cursor(found[place].id, max(0, step))


def by_word(blocks: Sequence[Block], cursor: Cursor, direction: int) -> Cursor | None:
    """The next token that begins a word, forwards or backwards."""
    found = replies(blocks)
    for block, place, step in _walk(found, cursor, direction):
        if place == 0 or step.text[:1].isspace():
            return Cursor(block.id, place)
    return Cursor(found[0].id, 0) if direction < 0 and found else None


def by_reply(blocks: Sequence[Block], cursor: Cursor, direction: int) -> Cursor | None:
    """The first token of the next reply; backwards, of this one, and then of the one before."""
    found = replies(blocks)
    if not found:
        return None
    place = _place(found, cursor)
    if direction > 0 or cursor.step == 0:
        place += direction
    if place >= len(found):
        return None
    return Cursor(found[max(0, place)].id, 0)


def by_hunk(
    blocks: Sequence[Block], cursor: Cursor | None, direction: int, metric: TokenMetric
) -> Cursor | None:
    """The first token of the next run of tokens that stand out; None where there is no more.

    Without a cursor the first one forwards, the last one backwards.
    """
    found = replies(blocks)
    for block, place, step in _walk(found, cursor, direction):
        if metric.is_hunk(step) and not (place and metric.is_hunk(block.log.steps[place - 1])):
            return Cursor(block.id, place)
    return None


def _walk(
    found: Sequence[ReplyBlock], cursor: Cursor | None, direction: int
) -> Iterator[tuple[ReplyBlock, int, Step]]:
    """Every token after the cursor, or before it, the nearest first."""
    end = 0 if direction > 0 else len(found) - 1
    first = end if cursor is None else _place(found, cursor)
    for index in range(first, len(found)) if direction > 0 else range(first, -1, -1):
        block = found[index]
        steps = block.log.steps
        if direction > 0:
            begin = cursor.step + 1 if cursor and index == first else 0
            places = range(begin, len(steps))
        else:
            begin = min(cursor.step, len(steps)) if cursor and index == first else len(steps)
            places = range(begin - 1, -1, -1)
        for place in places:
            yield block, place, steps[place]

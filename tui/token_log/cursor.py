"""The token cursor, and where each movement takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logit_amp_chat.core.analysis.token_metrics import TokenMetric
from logit_amp_chat.core.records import Step
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from logit_amp_chat.tui.token_log.layout import MARGIN, Page


@dataclass(frozen=True)
class Cursor:
    """A token of a reply."""

    reply: str
    step: int


class Navigator:
    """Finds tokens on a page: the next word, reply or hunk, the line below, the one at a cell."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def _replies(self) -> list[ReplyBlock]:
        """The replies that have tokens."""
        blocks = self.page.blocks
        return [block for block in blocks if isinstance(block, ReplyBlock) and block.log.steps]

    # --- along the text ---------------------------------------------------------

    def first(self) -> Cursor | None:
        """The first token of the first reply."""
        replies = self._replies
        return Cursor(replies[0].id, 0) if replies else None

    def last(self) -> Cursor | None:
        """The last token of the last reply."""
        replies = self._replies
        return Cursor(replies[-1].id, len(replies[-1].log.steps) - 1) if replies else None

    def by_token(self, cursor: Cursor, by: int) -> Cursor | None:
        """`by` tokens on, from reply to reply; None past the last one."""
        replies = self._replies
        if not replies:
            return None
        place = _index(replies, cursor)
        step = cursor.step + by
        while step < 0 and place > 0:
            place -= 1
            step += len(replies[place].log.steps)
        while step >= len(replies[place].log.steps) and place < len(replies) - 1:
            step -= len(replies[place].log.steps)
            place += 1
        if step >= len(replies[place].log.steps):
            return None
        return Cursor(replies[place].id, max(0, step))

    def by_word(self, cursor: Cursor, direction: int) -> Cursor | None:
        """The next token that begins a word, forwards or backwards."""
        replies = self._replies
        for block, index, step in _walk(replies, cursor, direction):
            if index == 0 or step.text[:1].isspace():
                return Cursor(block.id, index)
        return Cursor(replies[0].id, 0) if direction < 0 and replies else None

    def by_reply(self, cursor: Cursor, direction: int) -> Cursor | None:
        """The first token of the next reply; backwards, of this one, then of the one before."""
        replies = self._replies
        if not replies:
            return None
        place = _index(replies, cursor)
        if direction > 0 or cursor.step == 0:
            place += direction
        if place >= len(replies):
            return None
        return Cursor(replies[max(0, place)].id, 0)

    def by_hunk(self, cursor: Cursor | None, direction: int, metric: TokenMetric) -> Cursor | None:
        """The first token of the next hunk of tokens that stand out; None where there is none.

        Without a cursor the first hunk forwards, the last one backwards. Tokens that were
        given are no part of one.
        """
        for block, index, step in _walk(self._replies, cursor, direction):
            steps, given = block.log.steps, block.given
            if index < given or not metric.is_hunk(step):
                continue
            if index == given or not metric.is_hunk(steps[index - 1]):
                return Cursor(block.id, index)
        return None

    # --- by rows and columns ----------------------------------------------------

    def by_line(self, cursor: Cursor, by: int, column: int) -> Cursor | None:
        """The token nearest to `column` in the next line above or below that has one.

        None below the last line; above the first the cursor stays.
        """
        if (position := self.position_of(cursor)) is None:
            return cursor
        row = position[0] + by
        while 0 <= row < self.page.height:
            self.page.wrap(self.page.place_at(row))
            if (found := self.token_near(row, column)) is not None:
                return found
            row += 1 if by > 0 else -1
        return None if by > 0 else cursor

    def token_near(self, row: int, column: int) -> Cursor | None:
        """The token at a cell, or the nearest one in its line."""
        line = self.page.line_at(row)
        if line is None:
            return None
        block, _, spans = line
        nearest: Cursor | None = None
        x = MARGIN
        for span in spans:
            if span.step is not None and (x <= column or nearest is None):
                nearest = Cursor(block.id, span.step)
            x += span.width
        return nearest

    def position_of(self, cursor: Cursor) -> tuple[int, int] | None:
        """Row and column of a token."""
        if (place := self.page.place_of(cursor.reply)) is None:
            return None
        self.page.wrap(place)
        start, wrapped = self.page.start_of(place), self.page.blocks[place].wrapped
        step, line = cursor.step, wrapped.line_of(cursor.step)
        nearest = start + line, MARGIN
        # The space before a word may have stayed on the line above.
        for number in range(line, min(line + 2, len(wrapped.lines))):
            x = MARGIN
            for span in wrapped.lines[number]:
                if span.step is not None and span.step <= step:
                    nearest = start + number, x
                    if span.step == step and not span.text.isspace():
                        return nearest
                x += span.width
        return nearest


def _index(replies: Sequence[ReplyBlock], cursor: Cursor) -> int:
    """The index of the cursor's reply; the last one if it is not there."""
    last = len(replies) - 1
    return next((i for i, block in enumerate(replies) if block.id == cursor.reply), last)


def _walk(
    replies: Sequence[ReplyBlock], cursor: Cursor | None, direction: int
) -> Iterator[tuple[ReplyBlock, int, Step]]:
    """Every token after the cursor, or before it, the nearest first."""
    end = 0 if direction > 0 else len(replies) - 1
    first = end if cursor is None else _index(replies, cursor)
    for place in range(first, len(replies)) if direction > 0 else range(first, -1, -1):
        block = replies[place]
        steps = block.log.steps
        if direction > 0:
            begin = cursor.step + 1 if cursor and place == first else 0
            indices = range(begin, len(steps))
        else:
            begin = min(cursor.step, len(steps)) if cursor and place == first else len(steps)
            indices = range(begin - 1, -1, -1)
        for index in indices:
            yield block, index, steps[index]

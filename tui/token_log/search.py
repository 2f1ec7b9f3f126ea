"""Finds text across tokens and wrapped lines, and remembers the current hit."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from logit_amp_chat.tui.token_log.blocks import Block
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.layout import Page
from logit_amp_chat.tui.token_log.wrapping import LABELS, Span


@dataclass(frozen=True)
class Hit:
    """Where a hit begins: offset, line, and in a reply the step."""

    offset: int
    line: int
    step: int | None


def pattern_of(query: str) -> re.Pattern[str]:
    """A literal search; case matters if the query has a capital."""
    flags = re.NOFLAG if any(char.isupper() for char in query) else re.IGNORECASE
    return re.compile(re.escape(query), flags)


class BlockText:
    """The searchable text of a wrapped block, with the position of each character."""

    def __init__(self, block: Block) -> None:
        self.lines = block.wrapped.lines
        self._starts: list[int] = []  # by line: the offset of its first character
        pieces: list[str] = []
        offset = 0
        for line in self.lines:
            self._starts.append(offset)
            text = "".join([span.text for span in line if span.kind not in LABELS])
            pieces.append(text)
            offset += len(text)
        self.text = "".join(pieces)

    def hit(self, offset: int) -> Hit:
        """Line and step of a character."""
        line = bisect_right(self._starts, offset) - 1
        step = None
        for begin, _, span in self._spans(line):
            if begin <= offset < begin + len(span.text):
                step = span.step
        return Hit(offset, line, step)

    def offset_of(self, line: int, step: int | None = None) -> int:
        """The offset of a line, or of a step in it."""
        line = min(line, len(self._starts) - 1)
        if step is not None:
            for begin, _, span in self._spans(line):
                if span.step == step:
                    return begin
        return self._starts[line]

    def columns(self, line: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The columns in a line of the characters [start, end), as (from, to)."""
        for begin, column, span in self._spans(line):
            first, last = max(start, begin), min(end, begin + len(span.text))
            if first < last:
                yield column + first - begin, column + last - begin

    def bounds(self, line: int) -> tuple[int, int]:
        """The offsets at which a line begins and ends."""
        after = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        return self._starts[line], after

    def _spans(self, line: int) -> Iterator[tuple[int, int, Span]]:
        """Offset, column and span of the searchable parts of a line."""
        offset, column = self._starts[line], 0
        for span in self.lines[line]:
            if span.kind not in LABELS:
                yield offset, column, span
                offset += len(span.text)
            column += len(span.text)


class Finds:
    """All hits in one block, in order; their columns are computed on demand."""

    def __init__(self, text: BlockText, pattern: re.Pattern[str]) -> None:
        self.text = text
        self._matches = [match.span() for match in pattern.finditer(text.text)]
        self.offsets = [start for start, _ in self._matches]

    def after(self, offset: int, *, stay: bool) -> int | None:
        """The first hit after `offset`, or at it with `stay`."""
        place = (bisect_left if stay else bisect_right)(self.offsets, offset)
        return self.offsets[place] if place < len(self.offsets) else None

    def before(self, offset: int, *, stay: bool) -> int | None:
        """The last hit before `offset`, or at it with `stay`."""
        place = (bisect_right if stay else bisect_left)(self.offsets, offset)
        return self.offsets[place - 1] if place else None

    def ranges(self, line: int) -> list[tuple[int, int, int]]:
        """The hits in a line, as (offset of the hit, first column, end column)."""
        begin, end = self.text.bounds(line)
        place = max(0, bisect_right(self.offsets, begin) - 1)
        found = []
        for start, stop in self._matches[place:]:
            if start >= end:
                break
            found += [(start, *columns) for columns in self.text.columns(line, start, stop)]
        return found


class Finder:
    """Searches a page; a block is searched again only if it has changed."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.query = ""
        self._pattern: re.Pattern[str] | None = None
        self._texts: dict[str, tuple[object, BlockText]] = {}
        self._finds: dict[str, Finds] = {}
        self._at: tuple[str, Hit] | None = None

    def look_for(self, query: str) -> None:
        """Change the query, keeping the position; an empty query ends the search."""
        if query != self.query:
            self.query = query
            self._pattern = pattern_of(query) if query else None
            self._finds = {}
        if not query:
            self._at = None
            self._texts = {}

    def finds(self, block: Block) -> Finds | None:
        """The hits in a block as it is wrapped now; None without a search."""
        if self._pattern is None:
            return None
        wrapped = block.wrapped
        stamp = len(wrapped.lines), len(wrapped.lines[-1]), wrapped.last_step
        known = self._texts.get(block.id)
        if known is None or known[0] != stamp or known[1].lines is not wrapped.lines:
            known = self._texts[block.id] = stamp, BlockText(block)
            self._finds.pop(block.id, None)
        finds = self._finds.get(block.id)
        if finds is None:
            finds = self._finds[block.id] = Finds(known[1], self._pattern)
        return finds

    def is_visited(self, block: Block, offset: int) -> bool:
        """Whether the hit that begins here is the current one."""
        return self._at is not None and (self._at[0] == block.id and self._at[1].offset == offset)

    def count(self) -> tuple[int, int]:
        """The number of the current hit, from 1 (0: none yet), and of all hits."""
        here, total = 0, 0
        for place, block in enumerate(self.page.blocks):
            self.page.wrap(place)
            if (finds := self.finds(block)) is None:
                continue
            if self._at and self._at[0] == block.id and self._at[1].offset in finds.offsets:
                here = total + finds.offsets.index(self._at[1].offset) + 1
            total += len(finds.offsets)
        return here, total

    def next(
        self, direction: int, row: int, cursor: Cursor | None, *, stay: bool
    ) -> tuple[int, Hit] | None:
        """The next hit from the cursor or else from `row`, with its block; wraps around."""
        blocks = self.page.blocks
        if self._pattern is None or not blocks:
            return None
        here, offset = self._position(row, cursor)
        for turn in range(len(blocks) + 1):
            place = (here + direction * turn) % len(blocks)
            self.page.wrap(place)
            finds = self.finds(blocks[place])
            assert finds is not None
            edge = -1 if direction > 0 else len(finds.text.text)
            start = offset if turn == 0 else edge
            look = finds.after if direction > 0 else finds.before
            found = look(start, stay=stay and turn == 0)
            if found is not None:
                hit = finds.text.hit(found)
                self._at = blocks[place].id, hit
                return place, hit
        return None

    def _position(self, row: int, cursor: Cursor | None) -> tuple[int, int]:
        """Block and offset to search from: the current hit, the cursor, or a row."""
        place = self.page.place_of(cursor.reply) if cursor else None
        if self._at is not None:
            visited, hit = self.page.place_of(self._at[0]), self._at[1]
            there = (visited, hit.step) == (place, cursor.step) if cursor else True
            if visited is not None and there:
                return visited, hit.offset
        line, step = 0, None
        if cursor is not None and place is not None:
            self.page.wrap(place)
            step = cursor.step
            line = self.page.blocks[place].wrapped.line_of(step)
        else:
            place = self.page.place_at(row)
            self.page.wrap(place)
            line = max(0, row - self.page.start_of(place))
        finds = self.finds(self.page.blocks[place])
        return place, finds.text.offset_of(line, step) if finds else 0

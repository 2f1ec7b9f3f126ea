"""A search that stays: what was looked for, its hits in each block, and which one was visited."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tui.widgets.blocks import Block
from tui.widgets.navigation import Cursor
from tui.widgets.page import Page
from tui.widgets.search import Finds, Hit, find, pattern_of

Key = tuple[int, int, int]  # block, line, character


class Finder:
    """Looks for words in a page; a block is searched again only when it has changed."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.query = ""
        self._pattern: re.Pattern[str] | None = None
        self._known: dict[str, tuple[object, Finds]] = {}
        self._at: tuple[str, Hit] | None = None

    def look_for(self, query: str) -> None:
        """Look for other words, from where the last ones were found; nothing ends the search."""
        if query != self.query:
            self.query = query
            self._pattern = pattern_of(query) if query else None
            self._known = {}
        if not query:
            self._at = None

    def finds(self, block: Block) -> Finds:
        """What was found in a block, as it is wrapped now."""
        if self._pattern is None:
            return Finds()
        flow = block.flow
        stamp = (id(flow), len(flow.lines), len(flow.lines[-1]), flow.last_step)
        known = self._known.get(block.id)
        if known is None or known[0] != stamp:
            known = self._known[block.id] = stamp, find(block, self._pattern)
        return known[1]

    def is_visited(self, block: Block, line: int, start: int) -> bool:
        """Whether the hit that begins here is the one that was gone to."""
        return self._at is not None and (
            self._at[0] == block.id and (self._at[1].line, self._at[1].start) == (line, start)
        )

    def count(self) -> tuple[int, int]:
        """Which hit was gone to, from 1 (0: none yet), and how many there are."""
        here, total = 0, 0
        for place, block in enumerate(self.page.blocks):
            self.page.wrap(place)
            hits = self.finds(block).hits
            if self._at and self._at[0] == block.id and self._at[1] in hits:
                here = total + hits.index(self._at[1]) + 1
            total += len(hits)
        return here, total

    def next(
        self, direction: int, row: int, cursor: Cursor | None, *, stay: bool
    ) -> tuple[int, Hit] | None:
        """The next hit from the cursor or else from `row`, with its block; round the end."""
        if self._pattern is None or not self.page.blocks:
            return None
        here = self._position(row, cursor)
        for place in self._round(here[0], direction):
            self.page.wrap(place)
            hits = self.finds(self.page.blocks[place]).hits
            again = place == here[0]
            for hit in hits if direction > 0 else reversed(hits):
                key = place, hit.line, hit.start
                beyond = key > here if direction > 0 else key < here
                if not again or beyond or (stay and key == here):
                    return self._visit(place, hit)
            stay = False
        # Once round: what lies on the other side of where it began.
        hits = self.finds(self.page.blocks[here[0]]).hits
        return self._visit(here[0], hits[0 if direction > 0 else -1]) if hits else None

    def _visit(self, place: int, hit: Hit) -> tuple[int, Hit]:
        self._at = self.page.blocks[place].id, hit
        return place, hit

    def _round(self, place: int, direction: int) -> Iterator[int]:
        total = len(self.page.blocks)
        return ((place + direction * i) % total for i in range(total))

    def _position(self, row: int, cursor: Cursor | None) -> Key:
        """Where the search goes on from: the hit at the cursor, the cursor, or a row."""
        place = self.page.place_of(cursor.reply) if cursor else None
        if self._at is not None:
            visited = self.page.place_of(self._at[0])
            hit = self._at[1]
            if visited is not None and (
                cursor is None or (visited, hit.step) == (place, cursor.step)
            ):
                return visited, hit.line, hit.start
        if cursor is None or place is None:
            place = self.page.place_at(row)
            return place, row - self.page.start_of(place), 0
        flow = self.page.blocks[place].flow
        line = flow.line_of(cursor.step)
        column = 0
        for span in flow.lines[line]:
            if span.step == cursor.step:
                break
            column += len(span.text)
        return place, line, column

"""Blocks below each other: which line of which block a row is, and what is wrapped when.

A block is wrapped when it is looked at; until then its height is an estimate.
Rows are counted from the first line of the first block, with one blank row
between blocks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from logit_amp_chat.tui.token_log.blocks import Block, ReplyBlock
from logit_amp_chat.tui.token_log.wrapping import Span

MARGIN = 1
"""Cells to the left of every line."""


class Page:
    """The geometry of a log; knows nothing of screens."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.width = 0
        self.height = 0
        self._starts: list[int] = []
        self._places: dict[str, int] = {}
        self._wrapped: list[int] = []  # the width each block was wrapped to, 0: never

    def show(self, blocks: Sequence[Block]) -> None:
        """Put these blocks in the place of what was there; those that stay are still wrapped."""
        known = {id(block): width for block, width in zip(self.blocks, self._wrapped, strict=True)}
        self.blocks = list(blocks)
        self._wrapped = [known.get(id(block), 0) for block in self.blocks]
        self._places = {block.id: place for place, block in enumerate(self.blocks)}
        self._place_from(0)

    def append(self, block: Block) -> None:
        """Add a block at the end, wrapped."""
        self.blocks.append(block)
        self._wrapped.append(0)
        self._places[block.id] = len(self.blocks) - 1
        self.wrap(len(self.blocks) - 1)
        self._place_from(len(self.blocks) - 1)

    def set_width(self, width: int) -> None:
        """From now on a line has `width` cells; nothing is wrapped yet."""
        self.width = width
        self._place_from(0)

    # --- wrapping ---------------------------------------------------------------

    def is_wrapped(self, place: int) -> bool:
        """Whether a block's lines are those of the present width."""
        return self._wrapped[place] == self.width > 0

    def wrap(self, place: int) -> int:
        """Wrap a block unless it is; returns by how many rows it grew."""
        if self.width <= 0 or self.is_wrapped(place):
            return 0
        before = self.height_of(place)
        self.blocks[place].lay_out(self.width)
        self._wrapped[place] = self.width
        if grown := self.height_of(place) - before:
            self._place_from(place)
        return grown

    def forget(self, place: int) -> None:
        """What a block shows was changed: it has to be wrapped again."""
        self._wrapped[place] = 0

    def grow(self, place: int) -> int:
        """Take in a reply's new steps; returns the first row that changed."""
        block = self.blocks[place]
        assert isinstance(block, ReplyBlock)
        before = len(block.flow.lines)
        block.grow()
        if len(block.flow.lines) != before:
            self._place_from(place)
        # A word that is wrapped takes its beginning from the line before.
        return self._starts[place] + before - 1

    @property
    def unwrapped(self) -> Iterator[int]:
        """The blocks that are still to be wrapped, the last one first."""
        return (i for i in reversed(range(len(self.blocks))) if not self.is_wrapped(i))

    def height_of(self, place: int) -> int:
        """How many rows a block has, or about has before it is wrapped."""
        block, wrapped = self.blocks[place], self._wrapped[place]
        if wrapped == self.width:
            return len(block.flow.lines)
        if wrapped:
            return max(1, len(block.flow.lines) * wrapped // max(1, self.width))
        return 2 + block.size // max(1, self.width)

    def _place_from(self, place: int) -> None:
        """Fix where blocks begin, one blank row below the block above."""
        del self._starts[place:]
        start = self._starts[-1] + self.height_of(place - 1) + 1 if place else 0
        for index in range(place, len(self.blocks)):
            self._starts.append(start)
            start += self.height_of(index) + 1
        self.height = max(0, start - 1)

    # --- rows -------------------------------------------------------------------

    def place_of(self, id: str) -> int | None:
        """Where a block is, counted from the first."""
        return self._places.get(id)

    def start_of(self, place: int) -> int:
        """The first row of a block."""
        return self._starts[place]

    def place_at(self, row: int) -> int:
        """The block that a row, or the blank row below it, belongs to."""
        return max(0, bisect_right(self._starts, row) - 1)

    def places_in(self, top: int, bottom: int) -> range:
        """The blocks with a row in [top, bottom)."""
        if not self.blocks:
            return range(0)
        return range(self.place_at(top), self.place_at(max(top, bottom - 1)) + 1)

    def line_at(self, row: int) -> tuple[Block, int, list[Span]] | None:
        """Block, number of its line, and its spans; None where a row is blank."""
        if not self.blocks or not 0 <= row < self.height:
            return None
        place = self.place_at(row)
        line = row - self._starts[place]
        lines = self.blocks[place].flow.lines
        if not self.is_wrapped(place) or line >= len(lines):
            return None
        return self.blocks[place], line, lines[line]

    def text(self) -> Iterator[str]:
        """Every row as it is painted; rows that are not wrapped yet are empty."""
        for row in range(self.height):
            found = self.line_at(row)
            yield "" if found is None else " " * MARGIN + "".join(span.text for span in found[2])

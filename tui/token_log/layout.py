"""Stacks blocks on a page: maps rows to lines of blocks, and wraps blocks on demand.

A block is wrapped when it comes into view; until then its height is an
estimate. Row 0 is the first line of the first block; one blank row separates
blocks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from logit_amp_chat.tui.token_log.blocks import Block, ReplyBlock
from logit_amp_chat.tui.token_log.wrapping import Span

MARGIN = 1
"""Blank cells to the left of every line."""


class Page:
    """The geometry of a log, independent of any screen."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.width = 0
        self.height = 0
        self._starts: list[int] = []
        self._places: dict[str, int] = {}
        self._wrapped: list[int] = []  # the width each block is wrapped to, 0: not wrapped

    def show(self, blocks: Sequence[Block]) -> None:
        """Replace all blocks; those that stay keep their wrapping."""
        known = {id(block): width for block, width in zip(self.blocks, self._wrapped, strict=True)}
        self.blocks = list(blocks)
        self._wrapped = [known.get(id(block), 0) for block in self.blocks]
        self._places = {block.id: place for place, block in enumerate(self.blocks)}
        self._place_from(0)

    def append(self, block: Block) -> None:
        """Add a block at the end and wrap it."""
        self.blocks.append(block)
        self._wrapped.append(0)
        self._places[block.id] = len(self.blocks) - 1
        self.wrap(len(self.blocks) - 1)
        self._place_from(len(self.blocks) - 1)

    def set_width(self, width: int) -> None:
        """Set the width of a line; nothing is wrapped yet."""
        self.width = width
        self._place_from(0)

    # --- wrapping ---------------------------------------------------------------

    def is_wrapped(self, place: int) -> bool:
        """Whether a block is wrapped to the current width."""
        return self._wrapped[place] == self.width > 0

    def wrap(self, place: int) -> int:
        """Wrap a block unless it is wrapped; returns by how many rows it grew."""
        if self.width <= 0 or self.is_wrapped(place):
            return 0
        before = self.height_of(place)
        self.blocks[place].lay_out(self.width)
        self._wrapped[place] = self.width
        if grown := self.height_of(place) - before:
            self._place_from(place)
        return grown

    def forget(self, place: int) -> None:
        """Have a block wrapped again, because its content changed."""
        self._wrapped[place] = 0

    def grow(self, place: int) -> int:
        """Add a reply's new steps; returns the first row that changed."""
        block = self.blocks[place]
        assert isinstance(block, ReplyBlock)
        before = len(block.wrapped.lines)
        if block.is_stale:
            block.lay_out(self.width)
            self._place_from(place)
            return self._starts[place]
        block.grow()
        if len(block.wrapped.lines) != before:
            self._place_from(place)
        # A word that moves to the next line changes the line before, too.
        return self._starts[place] + before - 1

    @property
    def unwrapped(self) -> Iterator[int]:
        """The blocks that are not wrapped yet, the last one first."""
        return (i for i in reversed(range(len(self.blocks))) if not self.is_wrapped(i))

    def height_of(self, place: int) -> int:
        """How many rows a block has; an estimate before it is wrapped."""
        block, width = self.blocks[place], self._wrapped[place]
        if width == self.width:
            return len(block.wrapped.lines)
        if width:
            return max(1, len(block.wrapped.lines) * width // max(1, self.width))
        return 2 + block.size // max(1, self.width)

    def _place_from(self, place: int) -> None:
        """Recompute where blocks begin, from `place` on."""
        del self._starts[place:]
        start = self._starts[-1] + self.height_of(place - 1) + 1 if place else 0
        for index in range(place, len(self.blocks)):
            self._starts.append(start)
            start += self.height_of(index) + 1
        self.height = max(0, start - 1)

    # --- rows -------------------------------------------------------------------

    def place_of(self, id: str) -> int | None:
        """The index of a block."""
        return self._places.get(id)

    def start_of(self, place: int) -> int:
        """The first row of a block."""
        return self._starts[place]

    def place_at(self, row: int) -> int:
        """The block of a row; a blank row belongs to the block above."""
        return max(0, bisect_right(self._starts, row) - 1)

    def places_in(self, top: int, bottom: int) -> range:
        """The blocks with a row in [top, bottom)."""
        if not self.blocks:
            return range(0)
        return range(self.place_at(top), self.place_at(max(top, bottom - 1)) + 1)

    def line_at(self, row: int) -> tuple[Block, int, list[Span]] | None:
        """Block, line number and spans of a row; None for a blank row."""
        if not self.blocks or not 0 <= row < self.height:
            return None
        place = self.place_at(row)
        line = row - self._starts[place]
        lines = self.blocks[place].wrapped.lines
        if not self.is_wrapped(place) or line >= len(lines):
            return None
        return self.blocks[place], line, lines[line]

    def text(self) -> Iterator[str]:
        """Every row as it is painted; rows that are not wrapped yet are empty."""
        for row in range(self.height):
            found = self.line_at(row)
            yield "" if found is None else " " * MARGIN + "".join(span.text for span in found[2])

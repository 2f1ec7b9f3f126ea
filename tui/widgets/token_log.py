"""The token log: a scrolling text in which every token can be stood on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from core.records import Step
from tui import keymap
from tui.widgets.blocks import Block, ReplyBlock
from tui.widgets.flow import Span

MARGIN = 1
READABLE = 110  # cells: longer lines are hard to read


@dataclass(frozen=True)
class Cursor:
    """A token of a reply."""

    reply: str
    step: int


class TokenLog(ScrollView, can_focus=True):
    """Messages and replies as lines; only the last lines change while a reply grows."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("transcript")]

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log--you",
        "log--said",
        "log--system",
        "log--head-before",
        "log--head-after",
        "log--head-amplified",
        "log--text",
        "log--special",
        "log--newline",
        "log--mark",
        "log--finish",
        "log--common",
        "log--fork-before",
        "log--fork-after",
        "log--fork-amplified",
        "log--cursor",
    }

    @dataclass
    class CursorMoved(Message):
        """The token cursor stands on another token, or on none."""

        log: TokenLog
        cursor: Cursor | None

        @property
        def control(self) -> TokenLog:
            """The log whose cursor moved."""
            return self.log

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.blocks: list[Block] = []
        self.cursor: Cursor | None = None
        self._starts: list[int] = []  # the first line of each block
        self._height = 0
        self._wrapped = 0
        self._follows = True
        self._goal: int | None = None  # the column that moving by line tries to keep

    # --- content ----------------------------------------------------------------

    def show(self, blocks: Sequence[Block]) -> None:
        """Show these blocks instead of what was there, from the bottom."""
        self.blocks = list(blocks)
        if self.cursor and not any(block.id == self.cursor.reply for block in self.blocks):
            self.cursor = None
        self._lay_out()
        self.scroll_end(animate=False, immediate=True)

    def append(self, block: Block) -> None:
        """Add one block at the end."""
        follow = self.at_end
        self.blocks.append(block)
        if self._wrapped:
            block.lay_out(self._wrapped)
            self._place(len(self.blocks) - 1)
        self.refresh()
        self._grown(follow)

    def grow(self, reply: str) -> None:
        """A reply has new steps or a finish: wrap its tail only."""
        for index in range(len(self.blocks) - 1, -1, -1):
            block = self.blocks[index]
            if block.id == reply and isinstance(block, ReplyBlock):
                break
        else:
            return
        if not self._wrapped:
            return
        follow = self.at_end
        before = len(block.flow.lines)
        block.grow()
        last = index == len(self.blocks) - 1
        if not last and len(block.flow.lines) != before:
            for later in range(index + 1, len(self.blocks)):
                self._place(later)
        self._height = self._starts[-1] + len(self.blocks[-1].flow.lines)
        tail = self._starts[index] + before - 1
        # A word that is wrapped takes its beginning from the line before.
        self.refresh_lines(max(0, tail), self.size.height + 1)
        self._grown(follow)

    @property
    def at_end(self) -> bool:
        """Whether the last line is in view, so that the view follows new text."""
        return self._follows

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up stops following, scrolling to the end takes it up again."""
        super().watch_scroll_y(old_value, new_value)
        self._follows = new_value >= self.max_scroll_y

    def _grown(self, follow: bool) -> None:
        if self._height != self.virtual_size.height:
            self.virtual_size = Size(self.size.width, self._height)
        if follow and self.cursor is None:
            self.scroll_end(animate=False, immediate=True)

    def _lay_out(self) -> None:
        self._wrapped = width = self._text_width()
        if width <= 0:
            return
        for block in self.blocks:
            block.lay_out(width)
        self._starts = []
        self._height = 0
        for index in range(len(self.blocks)):
            self._place(index)
        self.virtual_size = Size(self.size.width, self._height)
        self.refresh()

    def _text_width(self) -> int:
        """Cells a line may take; 0 while the log is not on the screen."""
        return max(0, min(READABLE, self.scrollable_content_region.width - MARGIN))

    def _place(self, index: int) -> None:
        """Fix where a block starts, one blank line below the one above it."""
        start = 0
        if index:
            start = self._starts[index - 1] + len(self.blocks[index - 1].flow.lines) + 1
        if index < len(self._starts):
            self._starts[index] = start
        else:
            self._starts.append(start)
        self._height = start + len(self.blocks[index].flow.lines)

    def on_resize(self, _event: events.Resize) -> None:
        """Wrap to the new width, and keep the end or the cursor in view."""
        follow = self.at_end or not self._wrapped
        if self._text_width() != self._wrapped:
            self._lay_out()
        if self.cursor is not None:
            self._reveal()
        elif follow:
            self.scroll_end(animate=False, immediate=True)

    # --- drawing ----------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        width = self.size.width
        base = self.rich_style
        row = self.scroll_offset.y + y
        found = self._line_at(row)
        if found is None:
            return Strip.blank(width, base)
        block, spans = found
        segments = [Segment(" " * MARGIN, base)]
        segments += [Segment(self._glyphs(block, span), self._style(block, span)) for span in spans]
        strip = Strip(segments).adjust_cell_length(width, base)
        selection = self.text_selection
        if selection is not None and (marked := selection.get_span(row)) is not None:
            start, end = marked
            end = width if end == -1 else end
            style = self.screen.get_component_rich_style("screen--selection")
            parts = strip.divide([start, end, width])
            strip = Strip.join(
                [part.apply_style(style) if i == 1 else part for i, part in enumerate(parts)]
            )
        return strip.apply_offsets(self.scroll_offset.x, row)

    def _line_at(self, row: int) -> tuple[Block, list[Span]] | None:
        if not self.blocks or not self._starts or row >= self._height:
            return None
        index = bisect_right(self._starts, row) - 1
        lines = self.blocks[index].flow.lines
        line = row - self._starts[index]
        return (self.blocks[index], lines[line]) if line < len(lines) else None

    def _under_cursor(self, block: Block, span: Span) -> bool:
        cursor = self.cursor
        return (
            cursor is not None
            and span.step is not None
            and cursor.reply == block.id
            and span.step == cursor.step
        )

    def _glyphs(self, block: Block, span: Span) -> str:
        if not self._under_cursor(block, span):
            return span.text
        return "⏎" if span.kind == "newline" else span.text.replace(" ", "·")

    def _style(self, block: Block, span: Span) -> Style:
        base = self.rich_style
        style = base + self.get_component_rich_style(f"log--{span.kind}", partial=True)
        if span.step is None or not isinstance(block, ReplyBlock):
            return style
        if span.step == block.fork:
            style += self.get_component_rich_style(f"log--fork-{block.lane}", partial=True)
        elif span.step < block.common:
            style += self.get_component_rich_style("log--common", partial=True)
        if self._under_cursor(block, span):
            style += self.get_component_rich_style("log--cursor", partial=True)
        return style

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text a mouse selection covers."""
        text = "\n".join(self._text_of(row) for row in range(self._height))
        return selection.extract(text), "\n"

    def _text_of(self, row: int) -> str:
        found = self._line_at(row)
        return "" if found is None else " " * MARGIN + "".join(span.text for span in found[1])

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

    # --- the token cursor -------------------------------------------------------

    def block_of(self, reply: str) -> ReplyBlock | None:
        """The block of a reply, if it is shown."""
        for block in self.blocks:
            if block.id == reply and isinstance(block, ReplyBlock):
                return block
        return None

    def step_under_cursor(self) -> Step | None:
        """The record of the token the cursor stands on."""
        if self.cursor is None or (block := self.block_of(self.cursor.reply)) is None:
            return None
        steps = block.log.steps
        return steps[self.cursor.step] if self.cursor.step < len(steps) else None

    def set_cursor(self, cursor: Cursor | None) -> None:
        """Put the cursor on a token, or take it away and follow the text again."""
        if cursor == self.cursor:
            return
        self.cursor = cursor
        self._goal = None
        self.refresh()
        if cursor is None:
            self.scroll_end(animate=False, immediate=True)
        else:
            self._reveal()
        self.post_message(self.CursorMoved(self, cursor))

    def move_by_token(self, by: int) -> None:
        """Move along the tokens, from reply to reply; past the last one the view follows again."""
        replies = [b for b in self.blocks if isinstance(b, ReplyBlock) and b.log.steps]
        if not replies:
            return
        if self.cursor is None:
            if by < 0:
                self.set_cursor(Cursor(replies[-1].id, len(replies[-1].log.steps) - 1))
            return
        place = next(i for i, block in enumerate(replies) if block.id == self.cursor.reply)
        step = self.cursor.step + by
        while step < 0 and place > 0:
            place -= 1
            step += len(replies[place].log.steps)
        while step >= len(replies[place].log.steps) and place < len(replies) - 1:
            step -= len(replies[place].log.steps)
            place += 1
        if step >= len(replies[place].log.steps):
            self.set_cursor(None)
        else:
            self.set_cursor(Cursor(replies[place].id, max(0, step)))

    def move_to_first(self) -> None:
        """Move to the first token of the first reply."""
        for block in self.blocks:
            if isinstance(block, ReplyBlock) and block.log.steps:
                self.set_cursor(Cursor(block.id, 0))
                return

    def move_by_word(self, direction: int) -> None:
        """Move to the next token that begins a word."""
        for _ in range(64):
            before = self.cursor
            self.move_by_token(direction)
            step = self.step_under_cursor()
            if step is None or self.cursor == before or step.text[:1].isspace():
                return

    def move_by_line(self, by: int) -> None:
        """Move to the nearest token in a line above or below that has one."""
        if self.cursor is None:
            if by < 0:
                self.move_by_token(-1)
            return
        place = self._cursor_place()
        if place is None:
            return
        row, column = place
        column = self._goal = column if self._goal is None else self._goal
        row += by
        while 0 <= row < self._height:
            if (cursor := self._token_near(row, column)) is not None:
                self.set_cursor(cursor)
                self._goal = column
                return
            row += 1 if by > 0 else -1
        if by > 0:
            self.set_cursor(None)

    def _token_near(self, row: int, column: int) -> Cursor | None:
        found = self._line_at(row)
        if found is None:
            return None
        block, spans = found
        best: Cursor | None = None
        x = MARGIN
        for span in spans:
            if span.step is not None and (x <= column or best is None):
                best = Cursor(block.id, span.step)
            x += span.width
        return best

    def _cursor_place(self) -> tuple[int, int] | None:
        """Line and column of the cursor's token."""
        if self.cursor is None:
            return None
        for start, block in zip(self._starts, self.blocks, strict=False):
            if block.id != self.cursor.reply:
                continue
            nearest: tuple[int, int] | None = None
            for line, spans in enumerate(block.flow.lines):
                x = MARGIN
                for span in spans:
                    if span.step is not None and span.step <= self.cursor.step:
                        nearest = start + line, x
                        # The space before a word may have stayed on the line above.
                        if span.step == self.cursor.step and not span.text.isspace():
                            return nearest
                    x += span.width
            return nearest or (start, MARGIN)
        return None

    def _reveal(self) -> None:
        place = self._cursor_place()
        if place is None:
            return
        row, top, height = place[0], self.scroll_offset.y, self.size.height
        if row < top:
            self.scroll_to(y=row, animate=False, immediate=True)
        elif row >= top + height:
            self.scroll_to(y=row - height + 1, animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the token that was clicked."""
        row = self.scroll_offset.y + event.y
        if (cursor := self._token_near(row, event.x)) is not None:
            self.set_cursor(cursor)

"""The token log: scrolling text in which the cursor moves from token to token."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from logit_amp_chat.core.analysis.token_metrics import TokenMetric
from logit_amp_chat.core.records import Step
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.token_log.blocks import Block, ReplyBlock
from logit_amp_chat.tui.token_log.cursor import Cursor, Navigator
from logit_amp_chat.tui.token_log.layout import MARGIN, Page
from logit_amp_chat.tui.token_log.painter import Painter
from logit_amp_chat.tui.token_log.presentation import Presentation
from logit_amp_chat.tui.token_log.search import Finder

STRIDE = 6  # streaming text scrolls by 1/6 of the view at a time
READABLE = 110  # cells; longer lines are hard to read
SLICE_SECONDS = 0.025  # of every PAUSE_SECONDS, for wrapping blocks out of view
PAUSE_SECONDS = 0.05


class TokenLog(ScrollView, can_focus=True):
    """Messages and replies; only the last lines change while a reply grows."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("transcript")]
    COMPONENT_CLASSES: ClassVar[set[str]] = Painter.CLASSES

    @dataclass
    class CursorMoved(Message):
        """The cursor moved to another token, or was removed."""

        log: TokenLog

        @property
        def control(self) -> TokenLog:
            """The log whose cursor moved."""
            return self.log

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.page = Page()
        self.finder = Finder(self.page)
        self._navigator = Navigator(self.page)
        self.cursor: Cursor | None = None
        self.metric: TokenMetric | None = None
        self.presentation = Presentation(self.page)
        self._painter = Painter(self)
        self._follows = True
        self._wrapping = False
        self._settling = False
        self._goal: int | None = None  # the column that moving by line tries to keep

    @property
    def blocks(self) -> list[Block]:
        """The blocks, from the top."""
        return self.page.blocks

    # --- content ----------------------------------------------------------------

    def show(self, blocks: Sequence[Block]) -> None:
        """Replace all blocks and scroll to the end."""
        self.presentation.apply(blocks)
        self.page.show(blocks)
        if self.cursor and self.page.place_of(self.cursor.reply) is None:
            self.cursor = None
        self._follows = True
        self._lay_out()
        self.scroll_end(animate=False, immediate=True)

    def append(self, block: Block) -> None:
        """Add one block at the end."""
        self.presentation.apply([block])
        self.page.append(block)
        self.refresh()
        self._fit()

    def grow(self, reply: str) -> None:
        """Show a reply's new steps or finish; only its tail is wrapped."""
        block, place = self.block_of(reply), self.page.place_of(reply)
        if block is None or place is None or not self.page.is_wrapped(place):
            return
        before = self.page.height
        row = max(0, self.page.grow(place))
        self.refresh_lines(row, max(before, self.page.height) - row)
        self._fit()

    def renew(self, id: str) -> None:
        """Wrap a block again, because it has changed."""
        if (place := self.page.place_of(id)) is not None:
            self.page.forget(place)
            self._lay_out()

    # --- wrapping and following -------------------------------------------------

    @property
    def at_end(self) -> bool:
        """Whether the view follows new text, because its end is in view."""
        return self._follows

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following when scrolled up, follow again when scrolled to the end."""
        super().watch_scroll_y(old_value, new_value)
        if not self._wrapping:
            self._follows = new_value >= self.max_scroll_y
            self._wrap_view()

    @property
    def _height(self) -> int:
        """Rows to scroll over: the page, and a few empty ones below it.

        Every scroll repaints the whole view, so streaming text scrolls by
        several lines at a time: the taller the view, the more.
        """
        stride = max(1, self.size.height // STRIDE)
        return -(-self.page.height // stride) * stride

    def _fit(self) -> None:
        """Adapt to the height of the page, and stay at its end when following."""
        if self._height != self.virtual_size.height:
            self.virtual_size = Size(self.size.width, self._height)
        if self._follows and self.cursor is None:
            self.scroll_end(animate=False, immediate=True)

    def _lay_out(self) -> None:
        self.page.set_width(self._text_width())
        if self.page.width:
            self._wrap_view()
            self._fit()
            self._settle()
            self.refresh()

    def _text_width(self) -> int:
        """Cells per line; 0 while the log is not on the screen."""
        return max(0, min(READABLE, self.scrollable_content_region.width - MARGIN))

    def _wrap_view(self) -> None:
        """Wrap the blocks in view before they are painted."""
        if self._wrapping or not self.page.width:
            return
        height = self.size.height
        follow = self._follows and self.cursor is None
        while True:
            top = self._height - height if follow else self.scroll_offset.y
            places = self.page.places_in(max(0, top), top + height)
            stale = [place for place in places if not self.page.is_wrapped(place)]
            if not stale:
                return
            self._wrap(stale[-1] if follow else stale[0])

    def _wrap(self, place: int) -> None:
        """Wrap a block without moving what is in view."""
        page, top = self.page, self.scroll_offset.y
        follow = self._follows and self.cursor is None
        seen = page.place_at(top)
        inside, tall = top - page.start_of(seen), page.height_of(seen)
        page.wrap(place)
        if seen == place:
            inside = inside * page.height_of(seen) // max(1, tall)
        self._wrapping = True
        try:
            self.virtual_size = Size(self.size.width, self._height)
            if follow:
                self.scroll_end(animate=False, immediate=True)
            elif (row := page.start_of(seen) + inside) != top:
                self.scroll_to(y=row, animate=False, immediate=True)
        finally:
            self._wrapping = False

    def _settle(self) -> None:
        """Wrap blocks out of view bit by bit, so that all heights become exact."""
        if not self._settling and next(self.page.unwrapped, None) is not None:
            self._settling = True
            self.set_timer(PAUSE_SECONDS, self._wrap_some)

    def _wrap_some(self) -> None:
        self._settling = False
        until = time.monotonic() + SLICE_SECONDS
        while self.page.width and (place := next(self.page.unwrapped, None)) is not None:
            self._wrap(place)
            if time.monotonic() > until:
                break
        self._settle()

    def on_resize(self, _event: events.Resize) -> None:
        """Wrap to the new width; keep the end, the cursor or the top of the view in place."""
        follow = self._follows or not self.page.width
        if self._text_width() != self.page.width:
            seen = self.page.place_at(self.scroll_offset.y)
            self._lay_out()
            if self.page.width and self.blocks and not follow:
                self.scroll_to(y=self.page.start_of(seen), animate=False, immediate=True)
        if self.cursor is not None:
            self._reveal()
        elif follow:
            self.scroll_end(animate=False, immediate=True)

    # --- drawing ----------------------------------------------------------------

    @property
    def dark(self) -> bool:
        """Whether the theme is dark."""
        return self.app.current_theme.dark

    @property
    def selected_style(self) -> Style:
        """The style of selected text."""
        return self.screen.get_component_rich_style("screen--selection")

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        row = self.scroll_offset.y + y
        strip = self._painter.line(row, self.size.width)
        return strip.apply_offsets(self.scroll_offset.x, row)

    def notify_style_update(self) -> None:
        """Forget the styles; nothing has to be wrapped again."""
        super().notify_style_update()
        self._painter.forget()

    def colour_by(self, metric: TokenMetric | None) -> None:
        """Colour tokens by a metric."""
        if metric is not self.metric:
            self.metric = metric
            self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text a mouse selection covers."""
        return selection.extract("\n".join(self.page.text())), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Repaint with the selection."""
        self.refresh()

    # --- the token cursor -------------------------------------------------------

    def block_of(self, reply: str) -> ReplyBlock | None:
        """The block of a reply, if it is shown."""
        place = self.page.place_of(reply)
        block = None if place is None else self.blocks[place]
        return block if isinstance(block, ReplyBlock) else None

    def step_under_cursor(self) -> Step | None:
        """The step under the cursor."""
        if self.cursor is None or (block := self.block_of(self.cursor.reply)) is None:
            return None
        steps = block.log.steps
        return steps[self.cursor.step] if self.cursor.step < len(steps) else None

    def set_cursor(self, cursor: Cursor | None) -> None:
        """Move the cursor, or remove it and follow the text again, and post CursorMoved."""
        if cursor != self.cursor:
            self.place_cursor(cursor)
            self.post_message(self.CursorMoved(self))

    def place_cursor(self, cursor: Cursor | None) -> None:
        """The same without a message, for a cursor that follows another one."""
        if cursor == self.cursor:
            return
        if cursor is not None:
            self.render_markdown(False)
            if self.presentation.open(cursor.reply, cursor.step):
                self._lay_out()
        old, self.cursor = self._cursor_position(), cursor
        self._goal = None
        if cursor is None:
            self.refresh()
            self._follows = True
            self.scroll_end(animate=False, immediate=True)
        else:
            self._reveal()
            for position in (old, self._cursor_position()):
                if position is not None:  # a token may be broken over two lines
                    self.refresh_lines(max(0, position[0] - 1), 3)

    def _move(self, by: int, find: Callable[[Cursor], Cursor | None]) -> None:
        """Move to what `find` finds; without a cursor, going back puts it on the last token."""
        if self.cursor is not None:
            self.set_cursor(find(self.cursor))
        elif by < 0 and (last := self._navigator.last()):
            self.set_cursor(last)

    def move_by_token(self, by: int) -> None:
        """Move along the tokens, from reply to reply; past the last one the view follows again."""
        self._move(by, lambda cursor: self._navigator.by_token(cursor, by))

    def move_by_word(self, direction: int) -> None:
        """Move to the next token that begins a word."""
        self._move(direction, lambda cursor: self._navigator.by_word(cursor, direction))

    def move_by_reply(self, direction: int) -> None:
        """Move to the first token of another reply."""
        self._move(direction, lambda cursor: self._navigator.by_reply(cursor, direction))

    def move_by_line(self, by: int) -> None:
        """Move to the nearest token in a line above or below; several moves keep to one column."""
        position = self._cursor_position()
        column = self._goal if self._goal is not None else position[1] if position else 0
        self._move(by, lambda cursor: self._navigator.by_line(cursor, by, column))
        self._goal = column if position and self.cursor else None

    def move_by_hunk(self, direction: int) -> bool:
        """Move to the next hunk of tokens that stand out. False where there is none."""
        if self.metric is None:
            return False
        found = self._navigator.by_hunk(self.cursor, direction, self.metric)
        if found is not None:
            self.set_cursor(found)
        return found is not None

    def move_to_first(self) -> None:
        """Move to the first token of the first reply."""
        if first := self._navigator.first():
            self.set_cursor(first)

    def _cursor_position(self) -> tuple[int, int] | None:
        """Row and column of the cursor's token."""
        return None if self.cursor is None else self._navigator.position_of(self.cursor)

    def _reveal(self) -> None:
        if (position := self._cursor_position()) is not None:
            self.reveal_row(position[0])

    def reveal_row(self, row: int) -> None:
        """Scroll a row into view, as little as possible."""
        self._fit()
        top, height = self.scroll_offset.y, self.size.height
        if row < top:
            self.scroll_to(y=row, animate=False, immediate=True)
        elif row >= top + height:
            self.scroll_to(y=row - height + 1, animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the token that was clicked."""
        row = self.scroll_offset.y + event.y
        if (cursor := self._navigator.token_near(row, event.x)) is not None:
            self.set_cursor(cursor)

    # --- Markdown, and thinking ---------------------------------------------------

    def render_markdown(self, rendered: bool) -> None:
        """Show finished replies as Markdown, or token by token; the cursor needs tokens."""
        if rendered == self.presentation.rendered:
            return
        if rendered:
            self.set_cursor(None)
        self.presentation.render(rendered)
        self._lay_out()

    def fold_thinking(self, folded: bool) -> None:
        """Show thinking that is over as one line, which the cursor leaves, or all of it."""
        cursor = self.cursor
        block = None if cursor is None else self.block_of(cursor.reply)
        if folded and cursor and block and block.is_thought(cursor.step):
            self.set_cursor(None)
        self.presentation.fold(folded)
        self._lay_out()

    # --- searching --------------------------------------------------------------

    def search(self, query: str) -> None:
        """Highlight all hits, in thinking too; an empty query ends the search."""
        self.finder.look_for(query)
        if self.presentation.search(bool(query)):
            self._lay_out()
        self.refresh()

    def move_to_hit(self, direction: int, *, from_here: bool = False) -> bool:
        """Move to the next hit, wrapping around. False where there is none.

        With `from_here`, a hit right where the search starts counts.
        """
        row = self.scroll_offset.y + (self.size.height if direction < 0 else 0)
        if (position := self._cursor_position()) is not None:
            row = position[0]
        hit = self.finder.next(direction, row, self.cursor, stay=from_here)
        if hit is None:
            return False
        place_of_hit, found = hit
        block = self.blocks[place_of_hit]
        if found.step is not None and isinstance(block, ReplyBlock):
            self.set_cursor(Cursor(block.id, found.step))
        else:
            self.set_cursor(None)
        self.reveal_row(self.page.start_of(place_of_hit) + found.line)
        self.refresh()
        return True

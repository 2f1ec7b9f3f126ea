"""A token log with what explains it: inspector, legend, search bar, notices, keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from textual.geometry import Size
from textual.screen import Screen

from logit_amp_chat.core.analysis.reply_stats import most_changed
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.inspector import Inspected, Inspector
from logit_amp_chat.tui.widgets.legend import Legend
from logit_amp_chat.tui.widgets.status_lines import KeyLine, Notice, StatusLine

if TYPE_CHECKING:
    from logit_amp_chat.tui.widgets.search_bar import SearchBar


WIDE = 110
LOW, NARROW = 18, 50


def set_size_classes(screen: Screen[Any], size: Size) -> None:
    """What a screen with a token log is styled by: `-wide`, `-small` if low or narrow."""
    screen.set_class(size.width >= WIDE, "-wide")
    screen.set_class(size.height < LOW or size.width < NARROW, "-small")


class LogPanel(ABC):
    """The widgets of a screen with a token log, in line with its cursor and its search."""

    text_place: keymap.Place = "transcript"
    """Where the keyboard is while it is in the log."""

    def __init__(self, screen: Screen[Any], actions: keymap.Actions, log_view: TokenLog) -> None:
        self.actions = actions
        self.status = StatusLine(id="status")
        self.log_view = log_view
        self.inspector = Inspector(id="inspector")
        self.legend = Legend(id="legend")
        self.search_bar: SearchBar | None = None  # made when it is first asked for
        self.notice = Notice(id="notice")
        self.keys = KeyLine(id="keys")
        self._screen = screen

    @property
    def place(self) -> keymap.Place:
        """Where the keyboard is."""
        focused = self._screen.focused
        if focused is self.inspector:
            return "candidates"
        bar = self.search_bar
        if bar is not None and focused is bar.line:
            return "search"
        return self.text_place

    @property
    def current_log(self) -> TokenLog:
        """The log that arrow keys and the inspector act on."""
        return self.log_view

    @property
    def current_block(self) -> ReplyBlock | None:
        """The reply under the cursor, or the last one."""
        log = self.current_log
        if log.cursor:
            return log.block_of(log.cursor.reply)
        return next((b for b in reversed(log.blocks) if isinstance(b, ReplyBlock)), None)

    def logs(self) -> list[TokenLog]:
        """Every log that is mounted."""
        return list(self._screen.query(TokenLog))

    async def show_search_bar(self) -> SearchBar:
        """An empty line for the words to find."""
        from logit_amp_chat.tui.widgets.search_bar import SearchBar

        if self.search_bar is None:
            self.search_bar = SearchBar()
            await self._screen.mount(self.search_bar, after=self.legend)
        self.search_bar.line.value = ""
        self.search_bar.display = True
        return self.search_bar

    def show_inspector(self, shown: bool) -> None:
        """Show or hide the inspector."""
        self.inspector.display = shown
        self._screen.set_class(shown, "-inspecting")
        self.refresh_inspector()
        self.refresh_keys()

    def refresh_inspector(self) -> None:
        """The step under the cursor, or one worth a look."""
        block, cursor = self.current_block, self.current_log.cursor
        self.legend.step = self.current_log.step_under_cursor()
        if not self.inspector.display:
            return
        if block is None or not block.log.steps:
            self.inspector.show(None)
            return
        last = len(block.log.steps) - 1
        place = min(cursor.step, last) if cursor else self.place_to_inspect(block)
        self.inspector.show(Inspected.of(block.log, place))

    @staticmethod
    def place_to_inspect(block: ReplyBlock) -> int:
        """Without a cursor: the newest step of a stream; where it parts; what changed most."""
        log = block.log
        newest = len(log.steps) - 1
        if log.finish is None and not log.cut_off:
            return newest
        if block.fork is not None and block.fork <= newest:
            return block.fork
        found = most_changed(log.steps, log.reply.forced)
        return newest if found is None else found

    def refresh_legend(self) -> None:
        """What the colours mean, and what is searched for."""
        log, legend = self.current_log, self.legend
        legend.sought = log.finder.query
        legend.found = log.finder.count() if legend.sought else (0, 0)
        if typing := self.search_bar is not None and self.search_bar.display:
            self.search_bar.show_count(*legend.found)
        legend.display = bool(legend.sought or legend.metric) and not typing

    def colour_logs(self) -> None:
        """Give every log the colours that were chosen."""
        for log in self.logs():
            log.colour_by(self.legend.metric)

    def states(self) -> set[str]:
        """The states that narrow the footer."""
        found = {"no token" if self.current_log.cursor is None else "token"}
        if self.inspector.display:
            found.add("inspecting")
        if self.legend.metric or self.current_log.finder.query:
            found.add("jumping")
        return found

    def refresh_keys(self) -> None:
        """The footer: the keys that matter where the keyboard is."""
        self.keys.actions = keymap.footer(self.place, self.states(), self.actions)

    @abstractmethod
    def refresh_status(self) -> None:
        """Everything around the text."""

"""Moving through the transcript: by token, word, line, reply, page, and to what is searched for."""

from __future__ import annotations

from logit_amp_chat.core.analysis.reply_stats import by_kl
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.token_log.cursor import Cursor


class CursorActions:
    """The actions that move the token cursor of the current log, and the search."""

    def __init__(self, host: ChatHost) -> None:
        self.host = host
        self.session = host.session
        self.view = host.view
        self._search_forwards = False
        self._largest: Cursor | None = None  # where going by KL has led

    # --- by distance --------------------------------------------------------------

    def token(self, by: int) -> None:
        """Move the token cursor."""
        self.view.current_log.move_by_token(by)

    def word(self, by: int) -> None:
        """Move the token cursor to another word."""
        self.view.current_log.move_by_word(by)

    def line(self, by: int) -> None:
        """Move the token cursor to another line; down from the last one to the composer."""
        log = self.view.current_log
        if by > 0 and log.cursor is None:
            self.host.set_focus(self.view.composer)
        else:
            log.move_by_line(by)

    def reply(self, by: int) -> None:
        """Move the token cursor to another reply."""
        self.view.current_log.move_by_reply(by)

    def page(self, by: int) -> None:
        """Scroll a page."""
        log = self.view.current_log
        log.scroll_relative(y=by * max(1, log.size.height - 2), animate=False)

    def top(self) -> None:
        """To the first token."""
        self.view.current_log.move_to_first()

    def end(self) -> None:
        """To the end, and follow new text."""
        log = self.view.current_log
        log.set_cursor(None)
        log.scroll_end(animate=False)

    # --- to what stands out or was searched for -----------------------------------

    def next(self, direction: int) -> None:
        """To the next hit, or token that stands out, or without either the next largest KL."""
        log, legend = self.view.current_log, self.view.legend
        if log.finder.query:
            self._to_hit(direction)
        elif legend.metric is None:
            self._to_kl(direction)
        elif not log.move_by_hunk(direction):
            legend.said = "nothing more stands out"
        else:
            legend.said = ""
        self.view.refresh_legend()

    def _to_kl(self, direction: int) -> None:
        """To the sampled token of the reply with the largest KL, or from there to the next."""
        view = self.view
        block, log = view.current_block, view.current_log
        if block is None or not block.log.steps:
            view.notice.say("Nothing to go to yet.", "Write a message first.")
            return
        order = by_kl(block.log.steps, block.log.reply.forced)
        here = log.cursor
        place = 0
        if here is not None and here == self._largest:
            place = order.index(here.step) + direction
        if 0 <= place < len(order):
            self._largest = Cursor(block.id, order[place])
            log.set_cursor(self._largest)

    async def search(self) -> None:
        """Search: a line to type the words into."""
        bar = await self.view.show_search_bar()
        # From the cursor on; without one backwards from the end, as one reads a chat.
        self._search_forwards = self.view.current_log.cursor is not None
        self._find("")
        self.view.refresh_legend()
        self.host.set_focus(bar.line)

    def search_typed(self, words: str) -> None:
        """Find the words as they are typed."""
        self._find(words)
        if words:
            self._to_hit(1 if self._search_forwards else -1, from_here=True)
        self.view.refresh_legend()

    def _find(self, query: str) -> None:
        for log in self.view.logs():
            log.search(query)

    def _to_hit(self, direction: int, *, from_here: bool = False) -> None:
        """The next hit in this log, or in the first other lane that has one."""
        view = self.view
        if view.current_log.move_to_hit(direction, from_here=from_here):
            return
        for name, lane in view.lanes.lanes.items() if view.comparing else ():
            if lane.log_view.finder.count()[1]:
                view.lanes.select(name)
                lane.log_view.move_to_hit(direction, from_here=from_here)
                return

    def search_go(self) -> None:
        """Close the search line; what was found stays marked."""
        view = self.view
        if view.search_bar is not None:
            view.search_bar.display = False
        self.host.set_focus(view.current_log)
        view.refresh_legend()
        view.refresh_keys()

    def leave(self) -> bool:
        """End choosing or searching, or leave a token, as esc does first. False without any."""
        place = self.view.place
        if place in ("candidates", "search"):
            if place == "search":
                self._find("")
            self.search_go()
            return True
        if place == "transcript" and self.view.current_log.finder.query:
            self._find("")
            self.view.refresh_legend()
            return True
        if place == "transcript" and self.view.current_log.cursor is not None:
            self.view.current_log.set_cursor(None)
            return True
        return False

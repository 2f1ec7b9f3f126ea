"""Moving through a token log: by token, word, line, reply, page, and to what is searched for."""

from __future__ import annotations

from abc import ABC, abstractmethod

from logit_amp_chat.tui.reading.host import LogHost


class CursorActions(ABC):
    """The actions that move the token cursor of the current log, and the search."""

    def __init__(self, host: LogHost) -> None:
        self.host = host
        self.view = host.view
        self._search_forwards = False

    # --- by distance --------------------------------------------------------------

    def token(self, by: int) -> None:
        """Move the token cursor."""
        self.view.current_log.move_by_token(by)

    def word(self, by: int) -> None:
        """Move the token cursor to another word."""
        self.view.current_log.move_by_word(by)

    def line(self, by: int) -> None:
        """Move the token cursor to another line."""
        self.view.current_log.move_by_line(by)

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
        """To the next hit; without a search to the next token that stands out."""
        self.view.legend.said = ""
        if self.view.current_log.finder.query:
            self._to_hit(direction)
        elif not self.to_notable(direction):
            self.view.legend.said = "nothing more stands out"
        self.view.refresh_legend()

    @abstractmethod
    def to_notable(self, direction: int) -> bool:
        """To the next token that stands out. False where there is none."""

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

    def _to_hit(self, direction: int, *, from_here: bool = False) -> bool:
        """To the next hit in this log. False where there is none."""
        return self.view.current_log.move_to_hit(direction, from_here=from_here)

    def search_go(self) -> None:
        """Close the search line; what was found stays marked."""
        view = self.view
        if view.search_bar is not None:
            view.search_bar.display = False
        self.host.set_focus(view.current_log)
        view.refresh_legend()
        view.refresh_keys()

    def leave(self) -> bool:
        """End choosing or searching, as esc does first. False without any."""
        place, log = self.view.place, self.view.current_log
        if place in ("candidates", "search"):
            if place == "search":
                self._find("")
            self.search_go()
            return True
        if place == self.view.text_place and log.finder.query:
            self._find("")
            self.view.refresh_legend()
            return True
        return False

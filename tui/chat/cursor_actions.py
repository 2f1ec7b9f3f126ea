"""Moving through the transcript and the lanes of a comparison."""

from __future__ import annotations

from logit_amp_chat.core.analysis.reply_stats import by_kl
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.layout import ChatView
from logit_amp_chat.tui.reading.cursor_actions import CursorActions
from logit_amp_chat.tui.token_log.cursor import Cursor


class ChatCursorActions(CursorActions):
    """The same in a chat, which has a composer below, and lanes side by side."""

    def __init__(self, host: ChatHost) -> None:
        super().__init__(host)
        self.view: ChatView = host.view
        self._largest: Cursor | None = None  # where going by KL has led

    def line(self, by: int) -> None:
        """Move the token cursor to another line; down from the last one to the composer."""
        if by > 0 and self.view.current_log.cursor is None:
            self.host.set_focus(self.view.composer)
        else:
            super().line(by)

    def to_notable(self, direction: int) -> bool:
        """To the next token that stands out, or without colours to the next largest KL."""
        if self.view.legend.metric is not None:
            return self.view.current_log.move_by_hunk(direction)
        self._to_kl(direction)
        return True

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

    def _to_hit(self, direction: int, *, from_here: bool = False) -> bool:
        """The next hit in this log, or in the first other lane that has one."""
        if super()._to_hit(direction, from_here=from_here):
            return True
        view = self.view
        for name, lane in view.lanes.lanes.items() if view.comparing else ():
            if lane.log_view.finder.count()[1]:
                view.lanes.select(name)
                return lane.log_view.move_to_hit(direction, from_here=from_here)
        return False

    def leave(self) -> bool:
        """End choosing or searching, or leave a token, as esc does first. False without any."""
        if super().leave():
            return True
        if self.view.place == "transcript" and self.view.current_log.cursor is not None:
            self.view.current_log.set_cursor(None)
            return True
        return False

"""The comparison: which lanes stand side by side, and what is asked for them."""

from __future__ import annotations

from logit_amp_chat.tui.chat.dialog_actions import Dialogs
from logit_amp_chat.tui.token_log.cursor import Cursor


class Comparing(Dialogs):
    """The chat screen's actions on lanes; those that a reply lacks are asked for."""

    lanes_due = False
    """Whether lanes are to be asked for as soon as the reply that runs has ended."""

    def complete_if_due(self) -> None:
        """After a reply during which the comparison was switched on: its missing lanes."""
        due, self.lanes_due = self.lanes_due, False
        log = self.compared or self.session.conversation.last_reply()
        if due and self.session.comparing and log is not None:
            self.session.complete_lanes(log)

    def action_compare(self) -> None:
        """Show or hide the comparison; missing lanes are asked for."""
        session = self.session
        cursor = self.log_view.cursor
        had_place = self.place == "transcript"
        session.comparing = not session.comparing
        self.lanes.display = self.prompt.display = session.comparing
        self.log_view.display = not session.comparing
        if session.comparing:
            # Without a cursor the comparison follows the newest turn.
            self.compared = session.conversation.replies.get(cursor.reply) if cursor else None
            self.lanes_due = session.state == "busy"
            if (log := self.compared or session.conversation.last_reply()) is not None:
                session.complete_lanes(log)
                self.lanes.select(log.reply.lane)
            self._sync_lanes()
            if cursor is not None and self.compared is not None:
                self.lanes.current.log_view.set_cursor(Cursor(self.compared.id, cursor.step))
        else:
            self.compared = None
            self.sync_thread()
        if had_place:
            self.set_focus(self.current_log)
        self.refresh_inspector()
        self.refresh_status()

    def show_compared(self) -> None:
        """Show the lanes that were chosen; missing ones are asked for as soon as that can be."""
        if not self.session.comparing:
            self.action_compare()
            return
        log = self.compared or self.session.conversation.last_reply()
        self.lanes_due = self.session.state == "busy"
        if log is not None:
            self.session.complete_lanes(log)
        self._sync_lanes()
        self.refresh_status()

    def action_keep(self) -> None:
        """Make the selected lane's reply the history."""
        block = self.lanes.current.block
        if not self.session.comparing or block is None:
            self.notice.say("Nothing to keep: compare first (F4), then choose a lane with tab.")
            return
        self.session.saved.keep(block.id)
        self.sync_thread()
        self.refresh_status()

    def action_together(self) -> None:
        """Let the lanes scroll together by token, or each on its own."""
        self.lanes.together = not self.lanes.together
        self.notice.say(
            "The lanes move together." if self.lanes.together else "Each lane moves on its own."
        )

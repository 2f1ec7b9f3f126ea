"""The comparison: which lanes stand side by side, and what is asked for them."""

from __future__ import annotations

from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.token_log.cursor import Cursor

OTHER_PAIR = (
    "This reply was made with other models, so no lane is added beside it.",
    "Load that pair (F8) to compare it.",
)


class CompareActions:
    """The actions on lanes; those that a reply lacks are asked for."""

    def __init__(self, host: ChatHost) -> None:
        self.host = host
        self.session = host.session
        self.view = host.view
        self.lanes_due = False
        """Whether lanes are to be asked for as soon as the reply that runs has ended."""

    def complete_if_due(self) -> None:
        """Ask for what is missing, where the comparison was switched on during a reply."""
        due, self.lanes_due = self.lanes_due, False
        log = self.view.compared or self.session.conversation.last_reply()
        if due and self.session.comparing and log is not None:
            self._complete(log)

    def _complete(self, log: ReplyLog) -> None:
        """Ask for the lanes that a reply lacks, or say why they cannot be had."""
        session = self.session
        lacks = len(session.lanes_of(log)) < len(session.lanes)
        asked = session.complete_lanes(log)
        if lacks and not asked and session.live.opened and not session.can_compare(log):
            self.view.notice.say(*OTHER_PAIR)

    def compare(self) -> None:
        """Show or hide the comparison; missing lanes are asked for."""
        view, session = self.view, self.session
        cursor = view.log_view.cursor
        in_transcript = view.place == "transcript"
        session.comparing = not session.comparing
        view.arrange()
        if session.comparing:
            # Without a cursor the comparison follows the newest turn.
            view.compared = session.conversation.replies.get(cursor.reply) if cursor else None
            self.lanes_due = session.state == "busy"
            if (log := view.compared or session.conversation.last_reply()) is not None:
                self._complete(log)
                view.lanes.select(log.reply.lane)
            view.sync_lanes()
            if cursor is not None and view.compared is not None:
                view.lanes.current.log_view.set_cursor(Cursor(view.compared.id, cursor.step))
        else:
            view.compared = None
            view.sync_thread()
        if in_transcript:
            self.host.set_focus(view.current_log)
        view.refresh_welcome()
        view.refresh_inspector()
        view.refresh_status()

    def compare_alphas(self) -> None:
        """Choose the αs that are compared, besides the live one."""
        from logit_amp_chat.tui.dialogs.compare_alphas import CompareAlphasScreen, Compared

        session = self.session

        def take(chosen: Compared | None) -> None:
            if chosen is not None:
                session.compared_alphas, session.compared_stages = chosen
                self._show_chosen()

        stages = [stage.name for stage in session.profile.stages]
        compared = [lane for lane in session.compared_stages if {*(lane.stages or ())} <= {*stages}]
        dialog = CompareAlphasScreen(
            session.compared_alphas, session.profile.presets, compared, stages
        )
        self.host.app.push_screen(dialog, take)

    def _show_chosen(self) -> None:
        """Show the lanes that were chosen; missing ones are asked for as soon as that can be."""
        if not self.session.comparing:
            self.compare()
            return
        log = self.view.compared or self.session.conversation.last_reply()
        self.lanes_due = self.session.state == "busy"
        if log is not None:
            self._complete(log)
        self.view.sync_lanes()
        self.view.refresh_status()

    def lane(self, by: int) -> None:
        """Go to another lane; without a comparison, to the composer."""
        if self.view.comparing:
            self.host.set_focus(self.view.lanes.step_to(by))
            self.view.refresh_inspector()
        else:
            self.host.set_focus(self.view.composer)

    def keep(self) -> None:
        """Make the selected lane's reply the history."""
        view = self.view
        block = view.lanes.current.block
        if not self.session.comparing or block is None:
            view.notice.say("Nothing to keep: compare first (F4), then choose a lane with tab.")
            return
        if self.session.own_histories:
            view.notice.say(
                "From your next message on every lane continues this reply.",
                "h turns own histories on again.",
            )
        self.session.keep(block.log)
        view.sync_thread()
        view.refresh_status()

    def histories(self) -> None:
        """Let every lane continue its own replies, or all of them the chat's."""
        session = self.session
        if not session.comparing:
            self.view.notice.say("One reply has one history.", "Compare first (F4).")
            return
        session.own_histories = not session.own_histories
        self._show_chosen()

    def end_lane(self) -> None:
        """End the reply of the selected lane; the others go on."""
        block = self.view.current_block
        if block is None or block.log.is_over or self.session.state != "busy":
            self.view.notice.say("This reply has ended.")
        else:
            self.session.live.stop(block.id)

    def together(self) -> None:
        """Let the lanes scroll together by token, or each on its own."""
        lanes = self.view.lanes
        lanes.together = not lanes.together
        said = "The lanes move together." if lanes.together else "Each lane moves on its own."
        self.view.notice.say(said, kind="together")

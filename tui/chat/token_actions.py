"""What can be done with tokens and replies: inspect, branch, note, name, colour, render."""

from __future__ import annotations

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.transcripts.raised_tokens import Place
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.layout import ChatView
from logit_amp_chat.tui.reading.inspect_actions import InspectActions
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.widgets.candidate_table import quoted

OTHER_PAIR = (
    "This reply was made with other models, whose token ids mean something else.",
    "Load that pair (F8) to branch from it.",
)


class TokenActions(InspectActions):
    """The actions on the token under the cursor, and on its reply."""

    def __init__(self, host: ChatHost) -> None:
        super().__init__(host)
        self.session = host.session
        self.view: ChatView = host.view

    # --- candidates and branches --------------------------------------------------

    def choose(self) -> None:
        """Choose among the candidates of the cursor's token; without one, write."""
        if self.view.current_log.cursor is None:
            self.host.set_focus(self.view.composer)
        else:
            super().choose()

    def branch(self) -> None:
        """Branch with the selected candidate: a sibling of the reply."""
        log, candidate = self.view.current_log, self.view.inspector.candidate
        cursor = log.cursor
        block = log.block_of(cursor.reply) if cursor else None
        if block is None or cursor is None or candidate is None:
            return
        self.host.set_focus(log)
        reply, place, token = block.log, cursor.step, candidate.id
        if not branches.can_branch(self.session, reply):
            self.view.notice.say(*OTHER_PAIR)
            return
        self.session.live.when_idle(lambda: self._branch(reply, place, token))

    def _branch(self, reply: ReplyLog, place: int, token: int) -> None:
        self._follow(branches.branch(self.session, reply, place, token))

    def go_on(self) -> None:
        """Continue a reply that was stopped or cut: a sibling that is given what it has."""
        block = self.view.current_block
        if block is None or not branches.can_go_on(block.log):
            said = "This reply came to its own end." if block else "There is no reply yet."
            self.view.notice.say(said, "Press r for another one.")
        elif not branches.can_branch(self.session, block.log):
            self.view.notice.say(*OTHER_PAIR)
        else:
            reply = block.log
            self.session.live.when_idle(lambda: self._follow(branches.go_on(self.session, reply)))

    def _follow(self, asked: bool) -> None:
        """Show the sibling that was asked for."""
        if asked:
            self.view.show_branch()
        else:
            self.view.notice.say("The models are not loaded.", "Wait, or press ctrl+l.", error=True)

    def sibling(self, by: int) -> None:
        """Show another reply of this lane, or another version of its message, with its reply."""
        view, session = self.view, self.session
        message, shown = self._turn()
        lane = shown.reply.lane if shown else "amplified"
        answers = session.conversation.answers(message, lane) if message else []
        if len(answers) < 2:
            view.notice.say(
                "This reply has no siblings.",
                "Press r to regenerate, e to edit the message, enter on a token to branch.",
            )
            return
        if session.state == "busy":
            view.notice.say("A reply is being written.", "Esc stops it.")
            return
        here = next(
            place
            for place, (said, log) in enumerate(answers)
            if said is message and (log is shown or shown is None)
        )
        said, log = answers[(here + by) % len(answers)]
        cursor = view.current_log.cursor
        session.saved.switch_to(log.id if log else said.id)
        view.compared = log if session.comparing else None
        view.sync_thread()
        followed = not view.comparing and session.conversation.last_reply() is not log
        if log is not None and log.steps and (cursor is not None or followed):
            # On a reply with later turns, so that the next key does not act on those.
            step = min(cursor.step, len(log.steps) - 1) if cursor else 0
            view.current_log.set_cursor(Cursor(log.id, step))
        view.refresh_inspector()
        view.refresh_status()

    def _turn(self) -> tuple[Message | None, ReplyLog | None]:
        """The message and reply under the cursor, or the last ones."""
        conversation, block = self.session.conversation, self.view.current_block
        asked = conversation.last_user_message()
        log = block.log if block else None
        answered = log and asked and log.reply.parent == asked.id
        newest = self.view.current_log.cursor is None and not self.view.comparing
        if log is None or (newest and not answered):
            return asked, None
        return conversation.messages.get(log.reply.parent or ""), log

    # --- what training raised -----------------------------------------------------

    def raised(self) -> None:
        """List the tokens that training raised or lowered most, to go to one of them."""
        from logit_amp_chat.tui.dialogs.raised_tokens import RaisedTokensScreen

        conversation = self.session.conversation
        everything = [log for log in conversation.replies.values() if log.steps]
        if not everything:
            self.view.notice.say("There is no token yet.", "Write a message first.")
            return
        thread = [item for item in conversation.thread() if isinstance(item, ReplyLog)]

        def take(place: Place | None) -> None:
            if place is not None:
                self._go_to(place)

        self.host.app.push_screen(RaisedTokensScreen(thread, everything), take)

    def _go_to(self, place: Place) -> None:
        """Put the cursor on a step, wherever in the file it is."""
        view, session = self.view, self.session
        log = session.conversation.replies[place.reply]
        if view.comparing:
            if log.reply.lane not in session.lanes:
                lane = reply_title(log.reply)
                view.notice.say(
                    f"The lane {lane} is not shown.", "Leave the comparison first (F4)."
                )
                return
            view.compared = log
            view.sync_lanes()
            view.lanes.select(log.reply.lane)
        elif view.log_view.block_of(log.id) is None:
            if session.state == "busy":
                view.notice.say("A reply is being written.", "Esc stops it.")
                return
            session.saved.switch_to(log.id)
            view.sync_thread()
            view.notice.say("The chat goes on from this reply now.", kind="history")
        self.host.set_focus(view.current_log)
        view.current_log.set_cursor(Cursor(place.reply, place.step))
        view.refresh_inspector()
        view.refresh_status()

    # --- notes and names ----------------------------------------------------------

    def note(self) -> None:
        """Write a note about the cursor's token, or without one about the reply."""
        cursor = self.view.current_log.cursor
        self._note(cursor.step if cursor else None)

    def note_reply(self) -> None:
        """Write a note about the reply under the cursor, or the last one."""
        self._note(None)

    def _note(self, step: int | None) -> None:
        from logit_amp_chat.tui.dialogs.note import NoteScreen

        block = self.view.current_block
        if block is None:
            self.view.notice.say("There is nothing to note yet.", "Write a message first.")
            return
        log = block.log
        about = "About this reply"
        if step is not None:
            about = f"About token {step + 1}, {quoted(log.steps[step].text)}"

        def take(text: str | None) -> None:
            if text is not None and text != log.notes.get(step, ""):
                self.session.saved.note(log.id, text, step)
                self._renew(log.id)

        self.host.app.push_screen(NoteScreen(about, log.notes.get(step, "")), take)

    def name(self) -> None:
        """Give a name to the reply under the cursor, or to the last one."""
        from logit_amp_chat.tui.dialogs.note import NameScreen

        block = self.view.current_block
        if block is None:
            self.view.notice.say("There is nothing to name yet.", "Write a message first.")
            return
        log = block.log

        def take(text: str | None) -> None:
            if text is not None and text != log.name:
                self.session.saved.name(log.id, text)
                self._renew(log.id)

        self.host.app.push_screen(NameScreen("What this reply is called", log.name), take)

    def _renew(self, reply: str) -> None:
        for log in self.view.logs():
            log.renew(reply)
        self.view.lanes.sum_up()
        self.view.refresh_inspector()

    # --- colours and Markdown -----------------------------------------------------

    def colour(self) -> None:
        """Colour by the next metric, or not at all."""
        super().colour()
        self.view.refresh_welcome()

    def rendered(self) -> None:
        """Show finished replies as Markdown, or as tokens again."""
        log = self.view.current_log
        log.render_markdown(not log.presentation.rendered)

    def thinking(self) -> None:
        """Show thinking that is over, or fold it to one line again; in every lane."""
        folded = not self.view.current_log.presentation.folded
        for log in self.view.logs():
            log.fold_thinking(folded)

"""What the user gives replies to say: a text that they begin with, or one as it was edited."""

from __future__ import annotations

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.prefix import EditedReply, Prefix
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.conversation_actions import RELOAD, ConversationActions
from logit_amp_chat.tui.chat.token_actions import OTHER_PAIR


class ReplyTextActions:
    """Opens the dialogs in which the text of a reply is written, and has it gone on from.

    A dialog that is left keeps its text until it is opened again.
    """

    def __init__(self, host: ChatHost, conversation: ConversationActions) -> None:
        self.host = host
        self.session = host.session
        self.view = host.view
        self.conversation = conversation
        self._drafts: dict[str, str] = {}  # by reply
        self._begin = ""

    # --- an edited reply --------------------------------------------------------------

    def edit(self) -> None:
        """Edit the reply of the token under the cursor; without one, the last message."""
        if self.view.current_log.cursor is None:
            self.conversation.edit()
        else:
            self.edit_reply()

    def edit_reply(self) -> None:
        """Edit the reply under the cursor, or the last one; one that is written is stopped."""
        block = self.view.current_block
        if self.session.saved.read_only:
            self.conversation.say_read_only()
        elif block is None:
            self.view.notice.say("There is no reply to edit yet.", "Write a message first.")
        elif not branches.can_branch(self.session, log := block.log):
            self.view.notice.say(*OTHER_PAIR)
        elif log.is_over:
            self._open_editor(log)
        else:
            self.session.live.when_idle(lambda: self._open_editor(log))

    def _open_editor(self, log: ReplyLog) -> None:
        from logit_amp_chat.tui.dialogs.reply_text import EditReplyScreen

        edited, cursor = EditedReply(log), self.view.current_log.cursor
        draft = self._drafts.get(log.id)
        here = cursor is not None and cursor.reply == log.id and draft is None
        place = edited.offset(cursor.step) if cursor and here else None
        dialog = EditReplyScreen(edited, draft, place)

        def take(text: str | None) -> None:
            if text is None:
                self._drafts[log.id] = dialog.draft
            else:
                self.session.live.when_idle(lambda: self._go_on(edited, text))

        self.host.app.push_screen(dialog, take)

    def _go_on(self, edited: EditedReply, text: str) -> None:
        log = edited.log
        if not branches.edit(self.session, log, text):
            self._drafts[log.id] = text
            self._say_why_not()
            return
        self._drafts.pop(log.id, None)
        self.view.show_branch()
        if lost := edited.lost(text):
            self.view.notice.say(
                f"The edited reply lacks {count(lost, 'special token')} that stood after the"
                " change in the old one.",
                "< goes back to that.",
            )

    # --- what replies begin with ------------------------------------------------------

    def begin(self) -> None:
        """Ask for what replies begin with; in the transcript, answer the message there with it."""
        from logit_amp_chat.tui.dialogs.reply_text import BeginScreen

        reading = self.view.place in ("transcript", "candidates")
        message = self.view.message_in_view if reading else None
        if self.session.saved.read_only:
            self.conversation.say_read_only()
            return
        dialog = BeginScreen(self._begin or self.session.begin, answers=message is not None)

        def take(text: str | None) -> None:
            self._begin = dialog.draft if text is None else ""
            if text is None:
                return
            self.session.begin = text
            self.view.refresh_status()
            if message is not None and text:
                self.session.live.when_idle(lambda: self._answer(message, text))

        self.host.app.push_screen(dialog, take)

    def _answer(self, message: str, text: str) -> None:
        if branches.answer_with(self.session, message, Prefix(text=text)):
            self.view.show_branch()
        else:
            self._say_why_not()

    def _say_why_not(self) -> None:
        if self.session.saved.read_only:
            self.conversation.say_read_only()
        else:
            self.view.notice.say("The models are not loaded.", RELOAD, error=True)

    def take_back(self) -> bool:
        """In the composer, let replies begin by themselves again. False if they do already."""
        if self.view.place != "composer" or not self.session.begin:
            return False
        self._begin, self.session.begin = self.session.begin, ""
        return True

"""The chat screen: what happens in a frame, where the keyboard is, which actions there are."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input, TextArea

from logit_amp_chat.core.chat.engine_link import Unsaved, Update
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.watchdog import Recovered, Stalled
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Failed, Idle, Noticed, Opened
from logit_amp_chat.core.records import Finish, Reply, Step
from logit_amp_chat.core.transcripts.mirror import Mirrored, Unmirrored
from logit_amp_chat.tui.chat import parts
from logit_amp_chat.tui.chat.compare_actions import CompareActions
from logit_amp_chat.tui.chat.conversation_actions import ConversationActions
from logit_amp_chat.tui.chat.cursor_actions import ChatCursorActions
from logit_amp_chat.tui.chat.dialog_actions import DialogActions
from logit_amp_chat.tui.chat.layout import ChatView
from logit_amp_chat.tui.chat.opening_actions import OpeningActions
from logit_amp_chat.tui.chat.prompt_actions import PromptActions
from logit_amp_chat.tui.chat.reply_text_actions import ReplyTextActions
from logit_amp_chat.tui.chat.stage_actions import StageActions
from logit_amp_chat.tui.chat.sweep_actions import SweepActions
from logit_amp_chat.tui.chat.text_actions import TextActions
from logit_amp_chat.tui.chat.token_actions import TokenActions
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.delegation import delegate
from logit_amp_chat.tui.reading.log_panel import set_size_classes
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.composer import Composer
from logit_amp_chat.tui.widgets.inspector import Inspector

FRAME_SECONDS = 1 / 15
FIGURES_SECONDS = 1 / 4  # for slow lines and for eyes
LATE_SECONDS = 0.3  # an esc so soon after the end was meant to stop the reply
UNSAVED = (
    "What you see is not saved completely.",
    "Make room, or copy what matters (y in the transcript); ctrl+q again quits anyway.",
)


class ChatScreen(Screen[None]):
    """Shows a session; once a frame it asks what is new, and does work for that alone."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("anywhere")]

    def __init__(
        self,
        session: ChatSession,
        actions: keymap.Actions = keymap.ACTIONS,
        problem: LogitAmpError | None = None,
        text: Path | None = None,
    ) -> None:
        """Show `session`; `problem` is said, and the file `text` opened, when it is there."""
        super().__init__()
        self.session = session
        self.view = ChatView(self, session, actions)
        self.conversation = ConversationActions(self)
        self.texts = TextActions(self, self.conversation.return_queued)
        self.dialogs = DialogActions(self, self.conversation, self.texts)
        self.comparison = CompareActions(self)
        self.tokens = TokenActions(self)
        self.cursor = ChatCursorActions(self)
        self.openings = OpeningActions(self, self.conversation)
        self.reply_texts = ReplyTextActions(self, self.conversation)
        self.prompts = PromptActions(self, self.dialogs)
        self.stages = StageActions(self, self.conversation)
        self.sweeps = SweepActions(self)
        self.figures_seconds = FIGURES_SECONDS
        self.late_seconds = LATE_SECONDS
        self._problem = problem
        self._text = text
        self._quit_armed = False
        self._unsaved_said = False
        self._figures_moved = 0.0
        self._ended = -math.inf

    # --- layout -----------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The widgets of the view."""
        yield from self.view.compose()

    def on_mount(self) -> None:
        """Start loading once the first frame is there."""
        view = self.view
        view.lanes.display = view.prompt.display = view.inspector.display = False
        view.legend.display = view.history.display = False
        self.set_focus(view.composer)
        view.composer.remember(*self.session.conversation.said())
        view.refresh_all()
        self.set_interval(FRAME_SECONDS, self.take_frame)
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        self.conversation.begin()
        if self._problem is not None:
            self.view.notice.say(self._problem.message, self._problem.remedy, error=True)
        self.view.refresh_status()
        if self._text is not None:
            self.texts.open(self._text)

    def on_resize(self, event: events.Resize) -> None:
        """Wide: inspector beside the text. Low or narrow: one line for α, one thing at a time."""
        set_size_classes(self, event.size)

    # --- frames -----------------------------------------------------------------

    def take_frame(self) -> None:
        """Show what happened since the last frame."""
        updates = self.session.drain()
        if updates:
            self._take(updates)
        self.sweeps.follow(may_sample=not self.openings.is_open)
        if self.session.state == "busy":
            self._move_figures()
        elif not updates and self.session.state == "loading":
            self.view.refresh_loading()

    def _move_figures(self) -> None:
        """What changes with every token, less often than the text."""
        now = time.monotonic()
        if now - self._figures_moved >= self.figures_seconds:
            self._figures_moved = now
            self.view.refresh_figures()
            self.view.refresh_inspector()
            self.view.lanes.sum_up()

    def _take(self, updates: Sequence[Update]) -> None:
        view = self.view
        streaming = all(isinstance(update, Step) for update in updates)
        streaming &= not view.loading_panel.display  # the first step takes it away
        for update in updates:
            self._react(update)
        if any(isinstance(update, Reply) for update in updates) or view.thread_changed:
            view.sync_thread()
        grown = {update.reply for update in updates if isinstance(update, Step | Finish)}
        for reply in grown:
            view.grow(reply)
        if grown and view.comparing:
            view.lanes.grow()
        if not streaming:
            view.refresh_inspector()
            view.lanes.sum_up()
            view.refresh_status()
        self.openings.follow()
        self.prompts.follow()
        self.stages.follow()
        self.texts.follow()
        self.sweeps.update()

    def _react(self, update: Update) -> None:
        """Say or do what a single update asks for."""
        notice = self.view.notice
        match update:
            case Reply():
                self.sweeps.begun(update)
            case Finish(reason=reason) if reason != "cancelled":
                self._ended = time.monotonic()
            case Idle():
                self.comparison.complete_if_due()
            case Opened():
                self.conversation.opened(update)
            case Failed():
                self.conversation.failed(update)
                self.openings.failed(update)
                self.texts.failed(update)
            case Noticed(sentence):
                notice.say(sentence)
            case Unsaved() | Stalled() | Unmirrored():
                notice.say(update.message, update.remedy, error=True)
                self.texts.warn(update.message, update.remedy)
            case Recovered(said) | Mirrored(said) if said is not None:
                notice.take_back(said.message)
            case _:
                pass

    # --- the keyboard's two places ----------------------------------------------

    def on_descendant_focus(self) -> None:
        """Another place has the keyboard."""
        view = self.view
        if isinstance(self.focused, TokenLog) and view.comparing:
            for name, lane in view.lanes.lanes.items():
                if lane.log_view is self.focused:
                    view.lanes.select(name)
        self.set_class(view.place == "transcript", "-reading")
        view.refresh_inspector()
        view.refresh_keys()

    def meet(self, event: events.Key | events.Paste) -> bool:
        """Called before a key goes to the focused widget. Whether it was all that was meant.

        What is typed right after tab belongs into the transcript. There a printing key without
        a meaning goes to the composer, with what comes after it; a paste always does.
        """
        if isinstance(event, events.Key):
            self._quit_armed = self._quit_armed and event.key == "ctrl+c"
            if event.key == "tab" and self.view.place == "composer":
                self.action_to_transcript()
                return True
            if not event.is_printable or event.key in self.active_bindings:
                return False
        if self.view.place in ("transcript", "candidates"):
            self.set_focus(self.view.composer)
        return False

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        self.conversation.submitted(event.text, special=event.special)

    @on(Composer.Left)
    def _composer_left(self) -> None:
        self.action_to_transcript()

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self._quit_armed = False
        self.view.refresh_special()

    @on(TokenLog.CursorMoved)
    def _cursor_moved(self) -> None:
        self.view.legend.said = ""
        self.view.refresh_inspector()
        self.view.refresh_legend()
        self.view.refresh_keys()

    @on(Inspector.Left)
    def _inspector_left(self) -> None:
        self.tokens.inspector_left()

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        self.cursor.search_typed(event.value)

    # --- actions: those of tui/keys/actions.py, and who has them ------------------

    action_special_tokens = delegate(parts.conversation, ConversationActions.special_tokens)
    action_send = delegate(parts.conversation, ConversationActions.send)
    action_regenerate = delegate(parts.conversation, ConversationActions.regenerate)
    action_editor = delegate(parts.conversation, ConversationActions.editor)
    action_undo = delegate(parts.conversation, ConversationActions.undo)
    action_new_chat = delegate(parts.conversation, ConversationActions.new_chat)
    action_reload = delegate(parts.conversation, ConversationActions.reload)
    action_alpha_by = delegate(parts.conversation, ConversationActions.alpha_by)
    action_alpha_to = delegate(parts.conversation, ConversationActions.set_alpha)
    action_alpha_preset = delegate(parts.conversation, ConversationActions.alpha_preset)

    action_alpha_enter = delegate(parts.dialogs, DialogActions.alpha_enter)
    action_chats = delegate(parts.dialogs, DialogActions.chats)
    action_copy = delegate(parts.dialogs, DialogActions.copy)
    action_export = delegate(parts.dialogs, DialogActions.export)
    action_help = delegate(parts.dialogs, DialogActions.help)
    action_palette = delegate(parts.dialogs, DialogActions.palette)
    action_picture = delegate(parts.dialogs, DialogActions.picture)
    action_profiles = delegate(parts.dialogs, DialogActions.profiles)
    action_stages = delegate(parts.stages, StageActions.choose)
    action_sampling = delegate(parts.dialogs, DialogActions.sampling)

    action_compare = delegate(parts.comparison, CompareActions.compare)
    action_compare_alphas = delegate(parts.comparison, CompareActions.compare_alphas)
    action_end_lane = delegate(parts.comparison, CompareActions.end_lane)
    action_histories = delegate(parts.comparison, CompareActions.histories)
    action_keep = delegate(parts.comparison, CompareActions.keep)
    action_lane = delegate(parts.comparison, CompareActions.lane)
    action_together = delegate(parts.comparison, CompareActions.together)

    action_branch = delegate(parts.tokens, TokenActions.branch)
    action_candidate = delegate(parts.tokens, TokenActions.candidate)
    action_choose = delegate(parts.tokens, TokenActions.choose)
    action_colour = delegate(parts.tokens, TokenActions.colour)
    action_go_on = delegate(parts.tokens, TokenActions.go_on)
    action_inspect = delegate(parts.tokens, TokenActions.inspect)
    action_name = delegate(parts.tokens, TokenActions.name)
    action_note = delegate(parts.tokens, TokenActions.note)
    action_note_reply = delegate(parts.tokens, TokenActions.note_reply)
    action_raised = delegate(parts.tokens, TokenActions.raised)
    action_rendered = delegate(parts.tokens, TokenActions.rendered)
    action_sibling = delegate(parts.tokens, TokenActions.sibling)
    action_sort = delegate(parts.tokens, TokenActions.sort)
    action_thinking = delegate(parts.tokens, TokenActions.thinking)

    action_begin = delegate(parts.reply_texts, ReplyTextActions.begin)
    action_edit = delegate(parts.reply_texts, ReplyTextActions.edit)
    action_edit_reply = delegate(parts.reply_texts, ReplyTextActions.edit_reply)

    action_read_message = delegate(parts.texts, TextActions.read_message)
    action_read_text = delegate(parts.texts, TextActions.read_text)

    action_openings = delegate(parts.openings, OpeningActions.openings)
    action_prompt = delegate(parts.prompts, PromptActions.prompt)
    action_blame = delegate(parts.stages, StageActions.blame)
    action_sweep = delegate(parts.sweeps, SweepActions.sweep)

    action_end = delegate(parts.cursor, ChatCursorActions.end)
    action_line = delegate(parts.cursor, ChatCursorActions.line)
    action_next = delegate(parts.cursor, ChatCursorActions.next)
    action_page = delegate(parts.cursor, ChatCursorActions.page)
    action_reply = delegate(parts.cursor, ChatCursorActions.reply)
    action_search = delegate(parts.cursor, ChatCursorActions.search)
    action_search_go = delegate(parts.cursor, ChatCursorActions.search_go)
    action_token = delegate(parts.cursor, ChatCursorActions.token)
    action_top = delegate(parts.cursor, ChatCursorActions.top)
    action_word = delegate(parts.cursor, ChatCursorActions.word)

    def action_to_transcript(self) -> None:
        """Give the keyboard to the transcript."""
        self.set_focus(self.view.current_log)

    def action_to_composer(self) -> None:
        """Give the keyboard to the composer."""
        self.set_focus(self.view.composer)

    def action_escape(self) -> None:
        """Whatever is nearest: leave a token, stop, read a notice, leave an edit."""
        session, view = self.session, self.view
        if self.cursor.leave():
            pass
        elif session.state == "busy":
            self._stop()
        elif view.notice.dismiss():
            pass
        elif session.queued:
            self.conversation.return_queued()
        elif session.editing is not None:
            session.editing = None
            view.composer.put("")
        elif self.reply_texts.take_back() or time.monotonic() - self._ended <= self.late_seconds:
            pass
        elif view.place == "composer":
            self.action_to_transcript()
        else:
            view.show_inspector(False)
        view.refresh_status()

    def _stop(self) -> None:
        """Stop the reply, and ask for nothing after it."""
        self.comparison.lanes_due = False
        self.conversation.return_queued()
        self.session.live.stop()
        self.view.refresh_status()

    def action_interrupt(self) -> None:
        """ctrl+c: copy a selection, stop a reply, and quit when pressed again."""
        selected = self.get_selected_text() or self.view.composer.selected_text
        if selected:
            self.app.copy_to_clipboard(selected)
        elif self.session.state == "busy":
            self._stop()
        elif self._quit_armed:
            self.action_quit()
        else:
            self._quit_armed = True
            self.view.notice.say("Press ctrl+c again, or ctrl+q, to quit.")

    def action_suspend(self) -> None:
        """Stop, engine and all, until the shell continues this chat."""
        from logit_amp_chat.tui.terminal.job_control import is_shell_job

        if is_shell_job():
            os.killpg(0, signal.SIGTSTP)
        else:
            self.view.notice.say("No shell waits for this chat, so it cannot be suspended.")

    def action_quit(self) -> None:
        """Save and quit; a chat that cannot be saved warns once."""
        if self._unsaved_said or (self.session.saved.recorder.save() and self.texts.save()):
            self.app.exit()
        else:
            self._unsaved_said = True
            self.view.notice.say(*UNSAVED, error=True)
            self.texts.warn(*UNSAVED)

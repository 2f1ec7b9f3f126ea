"""The chat: what happens in a frame, where the keyboard is, what the keys do."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from textual import events, on
from textual.widgets import TextArea

from logit_amp_chat.core.chat.engine_link import Unsaved, Update
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.watchdog import Recovered, Stalled
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Failed, Idle, Noticed, Opened
from logit_amp_chat.core.records import Finish, Reply, Step
from logit_amp_chat.tui.chat.compare_actions import Comparing
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.composer import Composer

FRAME_SECONDS = 1 / 15
FIGURES_SECONDS = 1 / 4  # for slow lines and for eyes
LATE_SECONDS = 0.3  # an esc so soon after the end was meant to stop the reply
UNSAVED = (
    "This chat is not saved whole.",
    "Make room, or copy what matters (y in the transcript); ctrl+q again quits all the same.",
)
RELOAD = "Press ctrl+l to load again, F8 for another profile."


class ChatScreen(Comparing):
    """Shows a session and passes on what the user wants.

    The session is asked once a frame what happened; the work of a frame
    depends on what is new, not on how long the reply is.
    """

    def __init__(
        self,
        session: ChatSession,
        actions: keymap.Actions = keymap.ACTIONS,
        problem: LogitAmpError | None = None,
    ) -> None:
        """Show `session`; `problem` is something to say once the screen is there."""
        super().__init__(session, actions)
        self._problem = problem
        self._quit_armed = False
        self._unsaved_said = False
        self.figures_seconds = FIGURES_SECONDS
        self._figures_moved = 0.0
        self.late_seconds = LATE_SECONDS
        self._ended = -math.inf

    def on_mount(self) -> None:
        """Start loading once the first frame is there."""
        self.lanes.display = self.prompt.display = self.inspector.display = False
        self.legend.display = False
        self.set_focus(self.composer)
        self.composer.remember(*self.session.conversation.said())
        self.refresh_all()
        self.set_interval(FRAME_SECONDS, self.take_frame)
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        self._begin(None)
        if self._problem is not None:
            self.notice.say(self._problem.message, self._problem.remedy, error=True)
        self.refresh_status()

    # --- frames -----------------------------------------------------------------

    def take_frame(self) -> None:
        """Show what happened since the last frame."""
        updates = self.session.drain()
        if updates:
            self._take(updates)
        if self.session.state == "busy":
            self._move_figures()
        elif not updates and self.session.state == "loading":
            self._refresh_loading()

    def _move_figures(self) -> None:
        """What changes with every token, less often than the text."""
        now = time.monotonic()
        if now - self._figures_moved >= self.figures_seconds:
            self._figures_moved = now
            self._refresh_figures()
            self.refresh_inspector()
            self.lanes.sum_up()

    def _take(self, updates: Sequence[Update]) -> None:
        grown: set[str] = set()
        structure = False
        streaming = all(isinstance(update, Step) for update in updates)
        streaming &= not self.loading_panel.display  # the first step takes it away
        for update in updates:
            match update:
                case Step():
                    grown.add(update.reply)
                case Finish():
                    grown.add(update.reply)
                    if update.reason != "cancelled":
                        self._ended = time.monotonic()
                case Reply():
                    structure = True
                case Idle():
                    self.complete_if_due()
                case Opened():
                    self._opened(update)
                case Failed():
                    self._failed(update)
                case Noticed(sentence):
                    self.notice.say(sentence)
                case Unsaved():
                    self.notice.say(update.message, update.remedy, error=True)
                case Stalled():
                    self.notice.say(update.message, update.remedy, error=True)
                case Recovered(stalled):
                    self.notice.take_back(stalled.message)
                case _:
                    pass
        if structure or self._thread_ids() != self._shown_ids():
            self.sync_thread()
        for reply in grown:
            self.log_view.grow(reply)
        if grown and self.session.comparing:
            self.lanes.grow()
        if not streaming:
            self.refresh_inspector()
            self.lanes.sum_up()
            self.refresh_status()

    def _opened(self, opened: Opened) -> None:
        for sentence in opened.notices:
            self.notice.say(sentence)
        if self.session.incompatible_chat is not None:
            self.notice.say(
                "This pair has another vocabulary, so that a new chat was begun.",
                f"The old one is saved as {self.session.incompatible_chat.name}: F9 opens it.",
            )

    def _failed(self, failed: Failed) -> None:
        remedy = failed.remedy
        if failed.fatal:
            remedy = f"{remedy} {RELOAD}".strip()
        self.notice.say(failed.message, remedy, error=True)
        self.give_back()

    # --- the keyboard's two places ----------------------------------------------

    def on_descendant_focus(self) -> None:
        """Another place has the keyboard."""
        if isinstance(self.focused, TokenLog) and self.session.comparing:
            for name, lane in self.lanes.lanes.items():
                if lane.log_view is self.focused:
                    self.lanes.select(name)
        self.set_class(self.place == "transcript", "-reading")
        self.refresh_inspector()
        self.refresh_keys()

    def meet(self, event: events.Key | events.Paste) -> None:
        """Called before a key goes to the focused widget.

        In the transcript a printing key without a meaning goes to the composer,
        and so does what comes after it, however fast; a paste always does.
        """
        if isinstance(event, events.Key):
            self._quit_armed = self._quit_armed and event.key == "ctrl+c"
            if not event.is_printable or event.key in self.active_bindings:
                return
        if self.place in ("transcript", "candidates"):
            self.set_focus(self.composer)

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        if self.session.saved.read_only:
            self.composer.put(event.text)
            self.say_read_only()
            return
        self.notice.clear_information()
        self.log_view.set_cursor(None)
        self.compared = None
        self.session.submit(event.text)
        if self.session.state == "failed":
            self.notice.say("The models are not loaded.", RELOAD, error=True)
        self.sync_thread()
        self.log_view.scroll_end(animate=False)
        self.refresh_status()

    @on(Composer.Left)
    def _left(self) -> None:
        self.action_to_transcript()

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self._quit_armed = False

    @on(TokenLog.CursorMoved)
    def _cursor_moved(self) -> None:
        self.refresh_inspector()
        self.refresh_legend()

    # --- actions ----------------------------------------------------------------

    def action_send(self) -> None:
        """Send what is in the composer."""
        self.composer.action_submit()

    def action_to_transcript(self) -> None:
        """Give the keyboard to the transcript."""
        self.set_focus(self.current_log)

    def action_to_composer(self) -> None:
        """Give the keyboard to the composer."""
        self.set_focus(self.composer)

    def action_escape(self) -> None:
        """Whatever is nearest: stop, read a notice, leave an edit, change places."""
        session = self.session
        if self.leave():
            pass
        elif session.state == "busy":
            self.lanes_due = False
            self.give_back()
            session.live.stop()
        elif self.notice.dismiss():
            pass
        elif session.queued:
            self.give_back()
        elif session.editing is not None:
            session.editing = None
            self.composer.put("")
        elif self.place == "composer":
            if time.monotonic() - self._ended > self.late_seconds:
                self.action_to_transcript()
        else:
            self.current_log.set_cursor(None)
            self.action_to_composer()
        self.refresh_status()

    def action_regenerate(self) -> None:
        """Another reply to the last message."""
        self.compared = None
        self.session.live.when_idle(self._regenerate)

    def _regenerate(self) -> None:
        if self.session.saved.read_only:
            self.say_read_only()
        elif self.session.awaiting_models:
            self.notice.say("Your message is answered as soon as the models are ready.")
        elif self.session.regenerate():
            self.notice.clear_information()
        else:
            self.notice.say("There is no message to answer yet.", "Write one first.")
        self.log_view.set_cursor(None)
        self.sync_thread()
        self.refresh_status()

    def action_edit(self) -> None:
        """Take the last message back into the composer."""
        if self.session.saved.read_only:
            self.say_read_only()
            return
        text = self.session.edit()
        if text is None:
            self.notice.say("There is no message to edit yet.", "Write one first.")
            return
        self.composer.put(text)
        self.set_focus(self.composer)
        self.refresh_status()

    def action_alpha_by(self, by: float) -> None:
        """Move α."""
        self.set_alpha(round(self.session.alpha + by, 6))

    def action_alpha_to(self, alpha: float) -> None:
        """Set α."""
        self.set_alpha(alpha)

    def action_alpha_preset(self) -> None:
        """Set α to the next of the profile's presets."""
        from logit_amp_chat.tui.dialogs.alpha import next_preset

        preset = next_preset(self.session.alpha, self.session.profile.presets, 1)
        if preset is not None:
            self.set_alpha(preset)

    def action_lane(self, by: int) -> None:
        """Go to another lane; without a comparison, to the composer."""
        if self.session.comparing:
            self.set_focus(self.lanes.step_to(by))
            self.refresh_inspector()
        else:
            self.action_to_composer()

    def action_inspect(self) -> None:
        """Show or hide the inspector."""
        self.inspector.display = not self.inspector.display
        self.set_class(self.inspector.display, "-inspecting")
        self.refresh_inspector()
        self.refresh_keys()

    def action_sort(self) -> None:
        """Sort the candidates the other way."""
        self.inspector.sort()

    def action_token(self, by: int) -> None:
        """Move the token cursor."""
        self.current_log.move_by_token(by)

    def action_word(self, by: int) -> None:
        """Move the token cursor to another word."""
        self.current_log.move_by_word(by)

    def action_line(self, by: int) -> None:
        """Move the token cursor to another line; down from the last one to the composer."""
        log = self.current_log
        if by > 0 and log.cursor is None:
            self.action_to_composer()
        else:
            log.move_by_line(by)

    def action_page(self, by: int) -> None:
        """Scroll a page."""
        log = self.current_log
        log.scroll_relative(y=by * max(1, log.size.height - 2), animate=False)

    def action_top(self) -> None:
        """To the first token."""
        self.current_log.move_to_first()

    def action_end(self) -> None:
        """To the end, and follow new text."""
        self.current_log.set_cursor(None)
        self.current_log.scroll_end(animate=False)

    def action_interrupt(self) -> None:
        """ctrl+c: copy a selection, stop a reply, and quit when pressed again."""
        selected = self.get_selected_text() or self.composer.selected_text
        if selected:
            self.app.copy_to_clipboard(selected)
        elif self.session.state == "busy":
            self.action_escape()
        elif self._quit_armed:
            self.action_quit()
        else:
            self._quit_armed = True
            self.notice.say("Press ctrl+c again, or ctrl+q, to quit.")

    def action_quit(self) -> None:
        """Save and quit; what cannot be saved is not left without a word."""
        if self._unsaved_said or self.session.saved.recorder.save():
            self.app.exit()
        else:
            self._unsaved_said = True
            self.notice.say(*UNSAVED, error=True)

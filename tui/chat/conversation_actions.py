"""Messages, α, the pair that is loaded, and which chat is open."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.same_pair import own_stages
from logit_amp_chat.core.chat.settings import use_defaults
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Failed, Opened
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.chat.action_host import ChatHost

READ_ONLY = "You can look, copy and export. ctrl+l tries to open it again, ctrl+n starts a new one."
RELOAD = "Press ctrl+l to load again, F8 for another profile."


class ConversationActions:
    """The actions that change the conversation, or what answers in it."""

    def __init__(self, host: ChatHost) -> None:
        self.host = host
        self.session = host.session
        self.view = host.view

    # --- messages -----------------------------------------------------------------

    def send(self) -> None:
        """Send what is in the composer."""
        self.view.composer.action_submit()

    def submitted(self, text: str, *, special: bool = False) -> None:
        """The composer has handed over a message."""
        view = self.view
        if self.session.saved.read_only:
            view.composer.put(text, special=special)
            self.say_read_only()
            return
        view.notice.clear_information()
        view.log_view.set_cursor(None)
        view.compared = None
        self.session.submit(text, special=special)
        if self.session.state == "failed":
            view.notice.say("The models are not loaded.", RELOAD, error=True)
        view.sync_thread()
        view.log_view.scroll_end(animate=False)
        view.refresh_status()

    def regenerate(self) -> None:
        """Another reply to the last message."""
        self.view.compared = None
        self.session.live.when_idle(self._regenerate)

    def _regenerate(self) -> None:
        view = self.view
        if self.session.saved.read_only:
            self.say_read_only()
        elif self.session.awaiting_models:
            view.notice.say("Your message is answered as soon as the models are ready.")
        elif not self._ask_again():
            view.notice.say("There is no message to answer yet.", "Write one first.")
        view.log_view.set_cursor(None)
        view.sync_thread()
        view.refresh_status()

    def _ask_again(self) -> bool:
        """Have the last message answered again, and say what may surprise about it.

        False when there is nothing to answer.
        """
        session, notice = self.session, self.view.notice
        message, last = session.conversation.last_user_message(), session.conversation.last_reply()
        if not session.regenerate():
            return False
        notice.clear_information()
        if session.conversation.last_user_message() is not message:
            notice.say(
                "Your message has another version now, under the new system prompt.",
                "< goes back.",
                kind="system",
            )
        elif last is not None and message is not None and self._repeats(last, message.id):
            notice.say("At T 0 another seed gives the same text.")
        return True

    def _repeats(self, log: ReplyLog, message: str) -> bool:
        """Whether a new reply to the message can only say what this one says."""
        session = self.session
        own = log.reply.sampling.model_copy(update={"seed": session.sampling.seed})
        return (
            log.reply.parent == message
            and own == session.sampling
            and own.temperature == 0
            and own_stages(log) is None
            and not (log.reply.forced or log.reply.follows or log.changes)
            and {log.reply.alpha, *(step.alpha for step in log.steps)} == {session.alpha}
            and branches.can_branch(session, log)
        )

    def edit(self) -> None:
        """Take the last message back into the composer."""
        if self.session.saved.read_only:
            self.say_read_only()
            return
        self.session.edit()
        if (message := self.session.editing) is None:
            self.view.notice.say("There is no message to edit yet.", "Write one first.")
            return
        self.view.composer.put(message.text, special=message.special)
        self.host.set_focus(self.view.composer)
        self.view.refresh_status()

    def editor(self) -> None:
        """Write the message in the user's editor; what is decoded meanwhile is shown after it."""
        from logit_amp_chat.tui.terminal.external_editor import edit_in

        composer = self.view.composer
        try:
            composer.put(edit_in(self.host.app, composer.text), special=composer.special)
        except LogitAmpError as error:
            self.view.notice.say(error.message, error.remedy, error=True)
        self.host.set_focus(composer)

    def special_tokens(self) -> None:
        """What the message spells like a special token is that token, or text again."""
        composer = self.view.composer
        composer.special = not composer.special
        self.view.refresh_special()

    def undo(self) -> None:
        """Undo the last change to the message."""
        self.view.composer.undo()

    def return_queued(self) -> None:
        """Put what was submitted but not sent back into the composer."""
        composer = self.view.composer
        if (draft := self.session.take_queued()).text:
            text = "\n\n".join(filter(None, [composer.text, draft.text]))
            composer.put(text, special=composer.special or draft.special)

    def say_read_only(self) -> None:
        """Why nothing can be said here, and what can be done."""
        if (why := self.session.saved.recorder.read_only) is not None:
            self.view.notice.say(f"Read only: {why.message}", READ_ONLY, error=True)

    # --- α ------------------------------------------------------------------------

    def set_alpha(self, alpha: float) -> None:
        """Set α, from the next token on."""
        self.session.set_alpha(alpha)
        self.view.alpha_bar.alpha = self.session.alpha
        self.view.refresh_welcome()

    def alpha_by(self, by: float) -> None:
        """Move α."""
        self.set_alpha(round(self.session.alpha + by, 6))

    def alpha_preset(self) -> None:
        """Set α to the next of the profile's presets."""
        from logit_amp_chat.tui.dialogs.alpha import next_preset

        preset = next_preset(self.session.alpha, self.session.profile.presets, 1)
        if preset is not None:
            self.set_alpha(preset)

    # --- the pair -----------------------------------------------------------------

    def load(self, profile: Profile | None) -> None:
        """Open a pair; the old engine is ended on a thread, so that the screen stays alive."""
        self.view.notice.clear()
        self.session.live.begin_loading(profile)
        self.view.refresh_status()
        self.host.run_worker(
            self.session.live.open_engine, group="engine", exclusive=True, thread=True
        )

    def reload(self) -> None:
        """Load the models again; where a chat is read only, try to open it for writing."""
        saved = self.session.saved
        if saved.read_only and saved.recorder.path is not None:
            self.resume(saved.recorder.path)
        else:
            self.load(None)

    def opened(self, opened: Opened) -> None:
        """The pair is loaded: say what the user should know of it."""
        for sentence in reversed(opened.notices):  # the newest is shown first
            self.view.notice.say(sentence)
        if (left := self.session.incompatible_chat) is not None:
            self.view.notice.say(
                "This pair has a different vocabulary, so a new chat was started.",
                f"The old one is saved as {left.name}: F9 opens it.",
            )

    def failed(self, failed: Failed) -> None:
        """The engine failed: say why, and what to do."""
        remedy = failed.remedy
        if failed.fatal:
            remedy = f"{remedy} {RELOAD}".strip()
        self.view.notice.say(failed.message, remedy, error=True)
        self.return_queued()

    # --- which chat is open -------------------------------------------------------

    def begin(self, profile: Profile | None = None) -> None:
        """Load the models for the open chat; one that is read only needs none."""
        if self.session.saved.read_only:
            self.say_read_only()
            self.return_queued()
        elif profile is not None or self.session.state == "closed":
            self.load(profile)

    def resume(self, path: Path) -> None:
        """Continue a saved chat."""
        try:
            other = self.session.resume(path)
        except LogitAmpError as error:
            self.view.notice.say(error.message, error.remedy, error=True)
            return
        self.view.notice.clear()
        self.view.composer.remember(*self.session.conversation.said())
        self.view.refresh_all()
        self.begin(other)

    def new_chat(self) -> None:
        """Start a new chat, the old one stays in its file; an empty one takes the defaults."""
        self.return_queued()
        self.session.live.when_idle(self._new_chat)

    def _new_chat(self) -> None:
        if not self.session.conversation.thread():
            use_defaults(self.session, self.session.profile)
            self.view.legend.metric = None
        self.session.new_chat()
        self.view.compared = None
        self.view.notice.clear()
        self.host.set_focus(self.view.composer)
        self.view.refresh_all()
        self.begin()

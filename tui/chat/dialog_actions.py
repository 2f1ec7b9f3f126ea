"""What the chat asks in dialogs, and what it does with the answers."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from pathlib import Path

from textual import work

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.records import Sampling
from logit_amp_chat.tui.chat.layout import short_path
from logit_amp_chat.tui.chat.token_actions import Reading

READ_ONLY = "You can look, copy and export. ctrl+l tries to open it again, ctrl+n begins another."


class Dialogs(Reading):
    """The chat screen's actions that open a dialog, each imported when it is asked for."""

    def set_alpha(self, alpha: float) -> None:
        """Set α, from the next token on."""
        self.session.set_alpha(alpha)
        self.alpha_bar.alpha = self.session.alpha

    def action_help(self) -> None:
        """Every key and what it does."""
        from logit_amp_chat.tui.dialogs.help import HelpScreen

        self.app.push_screen(HelpScreen(self.actions))

    def action_palette(self) -> None:
        """Find a command by its name."""
        self.app.action_command_palette()

    def action_alpha_enter(self) -> None:
        """Enter any α."""
        from logit_amp_chat.tui.dialogs.alpha import AlphaScreen

        def take(alpha: float | None) -> None:
            if alpha is not None:
                self.set_alpha(alpha)

        self.app.push_screen(AlphaScreen(self.session.alpha, self.session.profile.presets), take)

    def action_compare_alphas(self) -> None:
        """Choose the αs that are compared, besides the live one."""
        from logit_amp_chat.tui.dialogs.compare_alphas import CompareAlphasScreen

        def take(alphas: tuple[float, ...] | None) -> None:
            if alphas is not None:
                self.session.compared_alphas = alphas
                self.show_compared()

        self.app.push_screen(
            CompareAlphasScreen(self.session.compared_alphas, self.session.profile.presets), take
        )

    def show_compared(self) -> None:
        """Show the lanes that were chosen."""

    def action_editor(self) -> None:
        """Write the message in the user's editor; what is decoded meanwhile is shown after it."""
        from textual.app import SuspendNotSupported

        try:
            with self.app.suspend():
                text = self._edited()  # Textual does not come back where this block raises
        except SuspendNotSupported:
            self.notice.say("This terminal cannot be handed to an editor.")
        else:
            self.composer.put(text)
        self.set_focus(self.composer)

    def _edited(self) -> str:
        """The message as the user's editor leaves it; as it was where that fails."""
        from logit_amp_chat.tui.terminal.external_editor import edit

        try:
            return edit(self.composer.text)
        except LogitAmpError as error:
            self.notice.say(error.message, error.remedy, error=True)
            return self.composer.text

    def action_undo(self) -> None:
        """Undo what was last done to the message."""
        self.composer.undo()

    def action_suspend(self) -> None:
        """Stop, engine and all, until the shell continues this chat."""
        from logit_amp_chat.tui.terminal.job_control import is_shell_job

        if is_shell_job():
            os.killpg(0, signal.SIGTSTP)
        else:
            self.notice.say("No shell waits for this chat, so that it cannot be suspended.")

    def action_sampling(self) -> None:
        """System prompt and sampling."""
        from logit_amp_chat.tui.dialogs.sampling import SamplingScreen

        def take(answer: tuple[Sampling, str | None] | None) -> None:
            if answer is None:
                return
            sampling, system = answer
            if sampling != self.session.sampling:
                self.session.set_sampling(sampling)
            if system != self.session.system:
                self.session.system = system
                self.notice.say("The new system prompt holds from your next message on.")
            self.refresh_status()

        self.app.push_screen(SamplingScreen(self.session.sampling, self.session.system), take)

    def action_profiles(self) -> None:
        """Choose another pair; the conversation goes on with it."""
        from logit_amp_chat.tui.dialogs.profiles import ProfileScreen

        def take(profile: Profile | None) -> None:
            if profile is not None:
                self.session.use_defaults(profile)
                self.load(profile)

        self.app.push_screen(ProfileScreen(self.session.profile.name), take)

    def action_reload(self) -> None:
        """Load the models again; where a chat is only read, try to open it for writing."""
        path = self.session.saved.recorder.path
        if self.session.saved.read_only and path is not None:
            self._resume(path)
        else:
            self.load(None)

    def load(self, profile: Profile | None) -> None:
        """Open a pair; the engine that runs is ended beside the screen."""
        self.notice.clear()
        self.session.live.begin_loading(profile)
        self.refresh_status()
        self._open_engine()

    @work(thread=True, exclusive=True, group="engine")
    def _open_engine(self) -> None:
        self.session.live.open_engine()

    def action_chats(self) -> None:
        """Open a saved chat and go on with it."""
        from logit_amp_chat.tui.dialogs.saved_chats import ChatsScreen

        def take(path: Path | None) -> None:
            if path is not None:
                self.give_back()
                self.session.live.when_idle(lambda: self._resume(path))

        folder = self.session.saved.recorder.folder
        self.app.push_screen(ChatsScreen(folder, self.session.saved, self.actions), take)

    def _resume(self, path: Path) -> None:
        try:
            other = self.session.resume(path)
        except LogitAmpError as error:
            self.notice.say(error.message, error.remedy, error=True)
            return
        self.notice.clear()
        self.composer.remember(*self.session.conversation.said())
        self.refresh_all()
        self._begin(other)

    def _begin(self, other: Profile | None) -> None:
        """Load what the chat at hand needs; one that is only read needs no models."""
        if self.session.saved.read_only:
            self.say_read_only()
            self.give_back()
        elif other is not None or self.session.state == "closed":
            self.load(other)

    def give_back(self) -> None:
        """Put what was submitted but never sent back into the composer."""
        if text := self.session.take_queued():
            self.composer.put("\n\n".join(filter(None, [self.composer.text, text])))

    def say_read_only(self) -> None:
        """Why nothing can be said here, and what can be done."""
        if (why := self.session.saved.recorder.read_only) is not None:
            self.notice.say(f"Read only: {why.message}", READ_ONLY, error=True)

    def action_new_chat(self) -> None:
        """Start over; what was said stays in its file."""
        self.give_back()
        self.session.live.when_idle(self._new_chat)

    def _new_chat(self) -> None:
        self.session.new_chat()
        self.notice.clear()
        self.set_focus(self.composer)
        self.refresh_all()
        self._begin(None)

    def action_copy(self) -> None:
        """Choose what to copy: the reply, the token, a code block, the conversation."""
        from logit_amp_chat.core.export.markdown import to_document
        from logit_amp_chat.core.export.snippets import Copy, copies_of
        from logit_amp_chat.core.transcripts.jsonl import read_records
        from logit_amp_chat.tui.dialogs.copy import CopyScreen

        log, cursor, path = (
            self.current_log,
            self.current_log.cursor,
            self.session.saved.recorder.path,
        )
        block = log.block_of(cursor.reply) if cursor else self._last_block(log)
        try:
            document = to_document(read_records(path), markdown=True) if path else ""
        except LogitAmpError as error:
            self.notice.say(error.message, error.remedy, error=True)
            document = ""
        copies = copies_of(block.log if block else None, cursor.step if cursor else None, document)
        if not copies:
            self.notice.say("There is nothing to copy yet.", "Write a message first.")
            return

        def take(copy: Copy | None) -> None:
            if copy is not None:
                self.copy(copy.name, copy.text)

        self.app.push_screen(CopyScreen(copies), take)

    def copy(self, name: str, text: str) -> None:
        """Copy to the clipboard, and into a file for terminals that have none.

        `name` says what it is: "the reply".
        """
        from logit_amp_chat.tui.terminal import clipboard

        self.notice.clear_information()
        self.app.copy_to_clipboard(text)
        try:
            path = short_path(clipboard.keep(text, self.session.saved.recorder.folder))
        except LogitAmpError as error:
            self.notice.say(error.message, error=True)
            return
        if clipboard.fits(text):
            self.notice.say(f"Copied {name}, also to {path}.")
        else:
            self.notice.say(f"Too long for a terminal's clipboard: {name} is in {path}.")

    def action_picture(self) -> None:
        """Save what is on the screen as a picture, where exports go."""
        from logit_amp_chat.core.export.atomic_write import write_atomically
        from logit_amp_chat.tui.terminal.screenshot import picture

        path = Path.cwd() / f"logit-amp-chat-{datetime.now():%Y-%m-%d-%H%M%S}.svg"
        self.notice.clear_information()
        try:
            write_atomically(path, picture(self.app))
        except LogitAmpError as error:
            self.notice.say(error.message, error=True)
        else:
            self.notice.say(f"This screen is saved as {short_path(path)}.")

    def action_export(self) -> None:
        """Write the chat as a page, Markdown, text or JSON."""
        from logit_amp_chat.core.export import Format
        from logit_amp_chat.tui.dialogs.export import ExportScreen

        path = self.session.saved.recorder.path
        if path is None:
            self.notice.say("There is nothing to export yet.", "Write a message first.")
            return

        def take(answer: tuple[Path, Format] | None) -> None:
            if answer is not None:
                self._export(path, *answer)

        self.app.push_screen(ExportScreen(Path.cwd() / f"{path.stem}.html"), take)

    def _export(self, path: Path, target: Path, to: str) -> None:
        from logit_amp_chat.core.export import FORMATS, export
        from logit_amp_chat.core.export.atomic_write import write_atomically

        try:
            text = export(path, next(known for known in FORMATS if known == to))
            write_atomically(target, text)
        except LogitAmpError as error:
            self.notice.say(error.message, error.remedy, error=True)
        else:
            self.notice.say(f"Exported to {target}.")

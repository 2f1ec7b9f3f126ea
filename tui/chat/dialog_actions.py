"""What the chat asks in dialogs, and what it does with the answers."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.settings import ChatSettings, use_defaults
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import own_prompts
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.records import told_apart
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.conversation_actions import ConversationActions
from logit_amp_chat.tui.chat.layout import ChatView
from logit_amp_chat.tui.chat.text_actions import TextActions
from logit_amp_chat.tui.reading.file_actions import FileActions


class DialogActions(FileActions):
    """The actions that open a dialog or write a file.

    Each dialog is imported when it is asked for: the first frame needs none.
    """

    def __init__(
        self, host: ChatHost, conversation: ConversationActions, texts: TextActions
    ) -> None:
        super().__init__(host)
        self.session = host.session
        self.view: ChatView = host.view
        self.conversation = conversation
        self.texts = texts

    @property
    def folder(self) -> Path:
        """Where chats are saved."""
        return self.session.saved.recorder.folder

    def palette(self) -> None:
        """Find a command by its name."""
        self.host.app.action_command_palette()

    # --- settings -----------------------------------------------------------------

    def alpha_enter(self) -> None:
        """Enter any α."""
        from logit_amp_chat.tui.dialogs.alpha import AlphaScreen

        def take(alpha: float | None) -> None:
            if alpha is not None:
                self.conversation.set_alpha(alpha)

        dialog = AlphaScreen(self.session.alpha, self.session.profile.presets)
        self.host.app.push_screen(dialog, take)

    def sampling(self) -> None:
        """System prompt and sampling."""
        from logit_amp_chat.tui.dialogs.sampling import SamplingScreen

        session, live = self.session, self.session.live

        def take(answer: ChatSettings | None) -> None:
            if answer is None:
                return
            if answer.sampling != session.sampling:
                session.set_sampling(answer.sampling)
            if what := _changed(session, answer):
                sentence = f"{what} to the next reply: send a message, or press r."
                self.view.notice.say(sentence, kind="system")
            session.system, live.template = answer.system, dict(answer.template)
            self.view.refresh_status()

        settings = ChatSettings(session.sampling, session.system, live.template)
        own = own_prompts(session.profile)
        self.host.app.push_screen(SamplingScreen(settings, own), take)

    def profiles(self) -> None:
        """Choose another pair; the conversation goes on with it."""
        from logit_amp_chat.tui.dialogs.profiles import ProfileScreen

        def take(profile: Profile | None) -> None:
            if profile is not None:
                use_defaults(self.session, profile)
                self.conversation.load(profile)

        self.host.app.push_screen(ProfileScreen(self.session.profile), take)

    def chats(self) -> None:
        """Open a saved chat and go on with it."""
        from logit_amp_chat.core.transcripts.library import holds_texts
        from logit_amp_chat.tui.dialogs.saved_chats import ChatsScreen

        saved = self.session.saved

        def take(path: Path | None) -> None:
            if path is not None and holds_texts(path):
                self.texts.open(path)
            elif path is not None:
                self.conversation.return_queued()
                self.session.live.when_idle(lambda: self.conversation.resume(path))

        dialog = ChatsScreen(saved.recorder.folder, saved, self.view.actions)
        self.host.app.push_screen(dialog, take)

    # --- copies and files ---------------------------------------------------------

    def copy(self) -> None:
        """Choose what to copy: the reply, the token, a code block, the conversation."""
        from logit_amp_chat.core.export.markdown import to_document
        from logit_amp_chat.core.export.snippets import Copy, copies_of
        from logit_amp_chat.core.transcripts.jsonl import read_records
        from logit_amp_chat.tui.dialogs.copy import CopyScreen

        view, path = self.view, self.session.saved.recorder.path
        block, cursor = view.current_block, view.current_log.cursor
        try:
            document = to_document(read_records(path), markdown=True) if path else ""
        except LogitAmpError as error:
            view.notice.say(error.message, error.remedy, error=True)
            document = ""
        copies = copies_of(block.log if block else None, cursor.step if cursor else None, document)
        if not copies:
            view.notice.say("There is nothing to copy yet.", "Write a message first.")
            return

        def take(copy: Copy | None) -> None:
            if copy is not None:
                self.copy_text(copy.name, copy.text)

        self.host.app.push_screen(CopyScreen(copies), take)

    def export(self) -> None:
        """Write the chat as a page, Markdown, text or JSON."""
        self.export_file(self.session.saved.recorder.path, "Write a message first.")


def _changed(session: ChatSession, settings: ChatSettings) -> str:
    """What prompts are made with otherwise than before; "" for nothing."""
    system = settings.system != session.system
    if told_apart(settings.template) == told_apart(session.live.template):
        return "The new system prompt applies" if system else ""
    both = "The new system prompt and template variables apply"
    return both if system else "The new template variables apply"

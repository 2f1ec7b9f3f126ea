"""Reading texts through both models: which text, its screen, and going on from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.chat.continuation import Continuation, go_on
from logit_amp_chat.core.chat.read_text import ReadText, SavedText
from logit_amp_chat.core.chat.text_reading import TextReading
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.protocol import Failed
from logit_amp_chat.core.reading import Chat, PlainText, Score
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.text import short_path
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.conversation_actions import RELOAD

if TYPE_CHECKING:
    from logit_amp_chat.tui.reading.screen import ReadingScreen

MESSAGE, SYSTEM = "your message", "the system prompt"


class TextActions:
    """Opens the screen of a text, and keeps it in line with the session."""

    def __init__(self, host: ChatHost, return_queued: Callable[[], None]) -> None:
        """`return_queued` gives messages that wait back to the composer, as for a new chat."""
        self.host = host
        self._return_queued = return_queued
        self.session = host.session
        self.view = host.view
        self._screen: ReadingScreen | None = None
        self._unsaved: list[ReadText] = []

    def read_text(self) -> None:
        """Ask for a text or a file, and read it."""
        from logit_amp_chat.tui.dialogs.read_text import ReadTextScreen

        def take(source: Source | None) -> None:
            if source is not None:
                self.session.live.when_idle(lambda: self._show(source))

        opened = self.session.live.opened
        vocabulary = opened.session.vocabulary if opened else None
        self.host.app.push_screen(ReadTextScreen(vocabulary), take)

    def read_message(self) -> None:
        """Read the message of the turn under the cursor, or of the newest one, in its chat."""
        conversation, block = self.session.conversation, self.view.current_block
        cursor = self.view.current_log.cursor
        message = conversation.last_user_message()
        if cursor is not None and block is not None:
            message = conversation.messages.get(block.log.reply.parent or "", message)
        if message is None:
            self.view.notice.say("There is no message to read yet.", "Write one first.")
            return
        if conversation.is_raw(message.id):
            self._read_raw(message)
            return
        messages, began = conversation.prompt(message.id), conversation.began
        found = _messages(messages)

        def take(source: Source | None) -> None:
            if source is not None:
                last = len(messages) - 1 if source.name == MESSAGE else 0
                self.session.live.when_idle(lambda: self._show(source, began, last))

        if len(found) == 1:
            take(found[0])
        else:
            from logit_amp_chat.tui.dialogs.read_text import SourcePicker

            self.host.app.push_screen(SourcePicker(found), take)

    def _read_raw(self, message: Message) -> None:
        """Read a text that was continued without a template."""
        if not message.text:
            self.view.notice.say("This chat continues tokens that were given: there is no text.")
            return
        source = Source(name=MESSAGE, place="", line=1, content=PlainText(text=message.text))
        self.session.live.when_idle(lambda: self._show(source))

    def _show(self, source: Source, time: str | None = None, message: int | None = None) -> None:
        reading = TextReading(self.session, source, time, message)
        reading.follow()
        self._push(reading)

    def open(self, path: Path) -> None:
        """Look at a text that was read before."""
        try:
            self._push(SavedText(path))
        except TranscriptError as error:
            self.view.notice.say(error.message, error.remedy, error=True)

    def _push(self, reading: ReadText) -> None:
        from logit_amp_chat.tui.reading.screen import ReadingScreen

        def take(found: Continuation | None) -> None:
            self._screen = None
            reading.leave()
            if not reading.is_saved:
                self._unsaved.append(reading)
            self._say_where(reading)
            if found is not None:
                self._return_queued()
                self.session.live.when_idle(lambda: self._go_on(found))

        self._screen = ReadingScreen(reading, self.view.actions)
        self.host.app.push_screen(self._screen, take)

    def _say_where(self, reading: ReadText) -> None:
        if reading.path is None:
            return
        path = short_path(reading.path)
        if reading.is_saved:
            self.view.notice.say(f"What was read is saved in {path}.", kind="read")
        else:
            self.view.notice.say(f"What was read is not completely saved in {path}.", error=True)

    def _go_on(self, found: Continuation) -> None:
        if go_on(self.session, found):
            self.view.refresh_all()
            self.view.show_branch()
            self.host.set_focus(self.view.current_log)
        else:
            self.view.notice.say("The models are not loaded.", RELOAD, error=True)

    def failed(self, event: Failed) -> None:
        """Say on the screen of a text why no more comes; one without tokens says it itself."""
        if self._screen is not None and self._screen.reading.document is not None:
            self.warn(event.message, event.remedy)

    def warn(self, message: str, remedy: str) -> None:
        """Say on the screen of a text too what went wrong."""
        if self._screen is not None:
            self._screen.view.notice.say(message, remedy, error=True)

    def save(self) -> bool:
        """Write what is missing of the texts that were read. Whether all is in their files."""
        self._unsaved = [reading for reading in self._unsaved if not reading.save()]
        shown = self._screen is None or self._screen.reading.save()
        return shown and not self._unsaved

    def follow(self) -> None:
        """Something happened: ask if that was to wait, and show what is there."""
        if self._screen is not None:
            self._screen.reading.follow()
            self._screen.update()


def _messages(messages: tuple[Message, ...]) -> list[Source]:
    """The last of them in its chat, and the chat's system prompt if it has one."""
    roles: dict[Score, str] = {"user": MESSAGE}
    if messages[0].role == "system" and messages[0].text:
        roles["system"] = SYSTEM
    return [
        Source(name=name, place="", line=1, content=Chat(messages=messages, score=role))
        for role, name in roles.items()
    ]

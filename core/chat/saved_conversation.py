"""A conversation that is saved as it grows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from logit_amp_chat.core.errors import ReadOnlyError, TranscriptError
from logit_amp_chat.core.records import Keep, Message, Name, Note, Record, Title, new_id
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.mirror import Mirror
from logit_amp_chat.core.transcripts.recorder import Recorder
from logit_amp_chat.core.transcripts.writer import Transcript


class SavedConversation:
    """A conversation and the recorder of its file: what the user does goes into both.

    What an engine reports is saved where it arrives, before it is added here.
    """

    def __init__(self, folder: Path, on_error: Callable[[TranscriptError], None]) -> None:
        self.conversation = Conversation()
        self.recorder = Recorder(folder, on_error)
        self.saved_as: Path | None = None  # known once the file is closed
        self.mirror: Mirror | None = None
        """What copies the file elsewhere, if anything does."""

    @property
    def read_only(self) -> bool:
        """Whether another process writes the file, so that this one only shows it."""
        return self.recorder.read_only is not None

    def record(self, record: Record) -> None:
        """Save a record and add it to the conversation."""
        self.recorder.append(record)
        self.conversation.add(record)

    def say(
        self, text: str, parent: str | None, system: str | None, *, special: bool = False
    ) -> None:
        """Record a user message, and before it the system prompt where that has changed.

        `system` is the one that is to be in force: None is the template's own, "" none.
        """
        old = self.conversation.system(parent)
        if system == "" and old:  # taken back, then the template's own removed
            parent = self._message("system", "", parent)
        if system != old:
            parent = self._message("system", system or "", parent)
        self._message("user", text, parent, special)

    def _message(
        self,
        role: Literal["user", "system"],
        text: str,
        parent: str | None,
        special: bool = False,
    ) -> str:
        message = Message(id=new_id("m"), parent=parent, role=role, text=text, special=special)
        self.recorder.begin()
        self.record(message)
        return message.id

    # --- replies ----------------------------------------------------------------

    def keep(self, node: str) -> None:
        """Make this reply, or a message without one, the history: the next message follows it."""
        self.record(Keep(reply=node))

    def switch_to(self, node: str) -> None:
        """Make a reply or message the history, with the newest of what followed it."""
        self.keep(node)
        end = self.conversation.newest(node)
        if end != node:
            self.keep(end)

    def note(self, about: str, text: str, step: int | None = None) -> None:
        """Write a note about a message, a reply or one of its steps."""
        self.record(Note(about=about, text=text, step=step))

    def name(self, reply: str, text: str) -> None:
        """Give a reply a name."""
        self.record(Name(reply=reply, text=text))

    def rename(self, title: str) -> None:
        """Give the conversation a title."""
        self.record(Title(text=title))

    # --- files ------------------------------------------------------------------

    def is_in(self, path: Path) -> bool:
        """Whether this conversation is written to `path`."""
        own = None if self.read_only else self.recorder.path
        return own is not None and path.resolve() == own.resolve()

    def start_new(self) -> None:
        """Start an empty conversation; its first message makes a new file."""
        self.recorder.close()
        self.conversation = Conversation()

    def open(self, path: Path) -> None:
        """Continue a saved conversation, or show it where it can only be read.

        Raises TranscriptError, and changes nothing, where it cannot be read.
        """
        try:
            transcript, records = Transcript.resume(path)
        except ReadOnlyError as error:
            records = read_records(path)
            self.recorder.only_read(path, error)
        else:
            self.recorder.go_on(transcript)
        self.conversation = Conversation(records)
        for log in self.conversation.replies.values():
            log.cut_off = log.finish is None

    def close(self) -> None:
        """Close the file; nothing more is saved to it."""
        if not self.read_only:
            self.saved_as = self.recorder.path or self.saved_as
        self.recorder.close()

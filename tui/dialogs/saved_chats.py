"""Choosing a saved chat, and putting the saved chats in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.types import CSSPathType
from textual.widgets import Input
from textual.worker import get_current_worker

from logit_amp_chat.core import number_format
from logit_amp_chat.core.chat.saved_conversation import SavedConversation
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.lanes import lane_colour, lane_heading
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts import library
from logit_amp_chat.core.transcripts.full_text import texts
from logit_amp_chat.core.transcripts.library import SavedChat, preview, saved_chats
from logit_amp_chat.tui.dialogs.picker import Picker, Row, fit
from logit_amp_chat.tui.dialogs.text_prompt import LineScreen
from logit_amp_chat.tui.keys import actions as keymap

SPEAKER_CHARS = 300
FOUND_CHARS = 30  # shown on either side of a word that was found
TEXTS_SECONDS = 0.3  # between looks at what was found while chats are being read


class ChatsScreen(Picker[Path]):
    """The transcripts of a folder, last written first."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "picker.tcss", "saved_chats.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("chats")]
    heading = "Saved chats"

    @dataclass
    class Found(Message):
        """The folder was read."""

        chats: Sequence[SavedChat]
        problem: str = ""

    @dataclass
    class Texts(Message):
        """What was said in some of the chats, to be found by."""

        said: Mapping[Path, str]
        done: bool

    @dataclass
    class Read(Message):
        """One chat was looked into."""

        row: Row[Path]
        thread: Sequence[tuple[str | float, str]]
        found: str

    def __init__(
        self,
        folder: Path,
        own: SavedConversation | None = None,
        actions: keymap.Actions = keymap.ACTIONS,
    ) -> None:
        """List the transcripts in `folder`; one of them may be written by `own`."""
        super().__init__()
        self.keys = keymap.line("chats", "enter open", "esc cancel", actions)
        self._undo = keymap.action("undelete_chat", actions).display
        self._folder = folder
        self._own = own
        self._chats: Sequence[SavedChat] = ()
        self._next = 0  # where the cursor goes when the folder was read again
        self._deleted: list[Path] = []
        self._said: dict[Path, str] = {}  # all that was said, casefolded
        self._searching = False

    def on_mount(self) -> None:
        """Read the folder beside the screen."""
        self.detail(Content("Reading …"))
        self._read()

    @work(thread=True, exclusive=True, group="list")
    def _read(self) -> None:
        try:
            self.post_message(self.Found(saved_chats(self._folder)))
        except TranscriptError as error:
            self.post_message(self.Found((), str(error)))

    @on(Found)
    def _list(self, event: Found) -> None:
        nothing = f"No saved chats in {visible(str(self._folder))} yet."
        names = [] if self.has_class("-narrow") else [chat.profile for chat in event.chats]
        width = min(16, max(map(len, names), default=0))
        self._chats = event.chats
        rows = [self._row(chat, width) for chat in event.chats]
        self._searching = False
        self.show(rows, at=self._next, nothing=event.problem or nothing)
        self._look_into_chats()

    def _row(self, chat: SavedChat, width: int) -> Row[Path]:
        """`date  profile  title or first message`; more about it below."""
        first = visible(" ".join(chat.first.split()), newlines=False)
        title = visible(chat.title, newlines=False)
        profile = visible(chat.profile or "–", newlines=False)
        said = (title, "bold") if title else (first, "") if first else (chat.problem, "$warning")
        open_now = self._own is not None and self._own.is_in(chat.path)
        line = Content.assemble(
            f"{chat.changed:%Y-%m-%d %H:%M}  ",
            (fit(profile, width) + "  " if width else "", "$muted"),
            ("open · " if open_now else "", "$muted"),
            said,
        )
        facts = [profile, number_format.quantity(chat.size, "bytes"), visible(chat.path.name)]
        if title and first:
            facts.insert(0, first[:80])
        heading = title or chat.problem
        detail = Content.assemble((f"{heading}\n" if heading else "", "bold"), " · ".join(facts))
        words = f"{line.plain} {first} {chat.path.name}"
        readable = chat.profile or chat.first
        return Row(chat.path if readable else None, line, detail, words)

    # --- finding words in what was said -----------------------------------------

    def has(self, row: Row[Path], word: str) -> bool:
        """Whether the word is in the row, or in what was said in its chat."""
        return super().has(row, word) or word in self._said.get(row.value or Path(), "")

    @on(Input.Changed)
    def _look_into_chats(self) -> None:
        """Read all that was said once there is something to find in it."""
        if self.wanted and not self._searching:
            self._searching = True
            self._read_texts([chat.path for chat in self._chats if chat.path not in self._said])

    @work(thread=True, exclusive=True, group="texts")
    def _read_texts(self, paths: Sequence[Path]) -> None:
        worker = get_current_worker()
        said: dict[Path, str] = {}
        posted = time.monotonic()
        for path in paths:
            if worker.is_cancelled:
                return
            said[path] = "\n".join(texts(path)).casefold()
            if time.monotonic() - posted > TEXTS_SECONDS:
                self.post_message(self.Texts(said, False))
                said, posted = {}, time.monotonic()
        self.post_message(self.Texts(said, True))

    @on(Texts)
    def _take_texts(self, event: Texts) -> None:
        self._said |= event.said
        if self.wanted:
            self.refilter()
        if not event.done:
            left = number_format.count(len(self._chats) - len(self._said), "chat")
            self.query_one("#frame").border_subtitle = f"searching {left} more …"

    def highlighted(self, row: Row[Path]) -> None:
        """Look into the chat under the cursor, which reads its whole file."""
        if row.value:
            self._look(row)

    @work(thread=True, exclusive=True, group="look")
    def _look(self, row: Row[Path]) -> None:
        if row.value:
            within = [word for word in self.wanted if not super(ChatsScreen, self).has(row, word)]
            found = around(texts(row.value), within[0]) if within else ""
            self.post_message(self.Read(row, preview(row.value), found))

    @on(Read)
    def _tell(self, event: Read) -> None:
        if self.row is event.row:
            asked = sum(who == "user" for who, _ in event.thread)
            turns = number_format.count(asked, "turn")
            lines = [_line(who, text) for who, text in event.thread]
            if event.found:
                lines.insert(0, Content(event.found))
            self.detail(Content("\n").join([event.row.detail + Content(f" · {turns}"), *lines]))

    # --- putting in order -------------------------------------------------------

    def action_rename_chat(self) -> None:
        """Call the chat under the cursor something."""
        if (chat := self._chosen()) is None:
            return

        def take(title: str | None) -> None:
            if title is not None:
                self._do(lambda: self._rename(chat.path, title), "")

        hint = "An empty title shows the first message again."
        self.app.push_screen(LineScreen("Rename", chat.title, hint), take)

    def _rename(self, path: Path, title: str) -> None:
        if self._own is not None and self._own.is_in(path):
            self._own.rename(title)
        else:
            library.rename(path, title)

    def action_duplicate_chat(self) -> None:
        """Copy the chat under the cursor, to go on in the copy."""
        if (chat := self._chosen()) is not None:
            title = f"{(chat.title or ' '.join(chat.first.split()))[:80]} (copy)"
            self._do(lambda: library.duplicate(chat.path, title), "This is the copy.", at=0)

    def action_delete_chat(self) -> None:
        """Put the chat under the cursor away."""
        if (chat := self._chosen()) is None:
            return
        if self._own is not None and self._own.is_in(chat.path):
            self.problem("This chat is open. Start a new one (ctrl+n) before you delete it.")
            return
        self._do(
            lambda: self._deleted.append(library.delete(chat.path)),
            f"Deleted; {self._undo} brings it back. It stays in the folder {library.DELETED}.",
        )

    def action_undelete_chat(self) -> None:
        """Bring back the chat that was deleted last."""
        if not self._deleted:
            self.problem("Nothing was deleted since this list was opened.")
            return
        self._do(self._undelete, "It is back.")

    def _undelete(self) -> None:
        library.restore(self._deleted[-1])
        self._deleted.pop()

    def _chosen(self) -> SavedChat | None:
        return None if self.index is None else self._chats[self.index]

    def _do(self, change: Callable[[], object], said: str, at: int | None = None) -> None:
        """Change something in the folder, and read it again."""
        self._next = self.place if at is None else at
        try:
            change()
        except TranscriptError as error:
            self.problem(str(error))
        else:
            self.say(said)
            self._read()


def around(said: Sequence[str], word: str) -> str:
    """The first place with a casefolded word, on one line and in one text; "" if there is none."""
    text = next((text for text in said if word in text.casefold()), None)
    if text is None:
        return ""
    at = text.casefold().find(word)
    near = text[max(0, at - FOUND_CHARS) : at + len(word) + FOUND_CHARS]
    return f"… {visible(' '.join(near.split()), newlines=False)} …"


def _line(who: str | float, text: str) -> Content:
    """What one of them said, on a line of its own."""
    said = visible(" ".join(text[:SPEAKER_CHARS].split()), newlines=False)
    if not isinstance(who, str):
        return Content.assemble((f"{lane_heading(who)} ", f"bold ${lane_colour(who)}"), said)
    if who == "system":
        return Content.assemble(("system prompt ", "$muted"), (said, "$muted"))
    return Content.assemble(("you " if who == "user" else f"{who} ", "bold"), said)

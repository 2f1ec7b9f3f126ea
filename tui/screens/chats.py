"""Choosing a saved chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textual import on, work
from textual.content import Content
from textual.message import Message

from core.errors import TranscriptError
from core.saved import SavedChat, count_turns, saved_chats
from core.text import visible
from tui.format import count
from tui.screens.picker import Picker, Row, fit


class ChatsScreen(Picker[Path]):
    """The transcripts of a folder, last written first."""

    heading = "Saved chats"

    @dataclass
    class Found(Message):
        """The folder was read."""

        chats: Sequence[SavedChat]
        problem: str = ""

    @dataclass
    class Counted(Message):
        """The turns of one chat were counted."""

        row: Row[Path]
        turns: int

    def __init__(self, folder: Path) -> None:
        """List the transcripts in `folder`."""
        super().__init__()
        self._folder = folder

    def on_mount(self) -> None:
        """Read the folder beside the screen."""
        self.detail(Content("Reading …"))
        self._read()

    @work(thread=True)
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
        rows = [_row(chat, width) for chat in event.chats]
        self.show(rows, nothing=event.problem or nothing)

    def highlighted(self, row: Row[Path]) -> None:
        """Count the turns of the chat under the cursor, which reads its whole file."""
        if row.value:
            self._count(row)

    @work(thread=True, exclusive=True, group="count")
    def _count(self, row: Row[Path]) -> None:
        if row.value:
            self.post_message(self.Counted(row, count_turns(row.value)))

    @on(Counted)
    def _tell(self, event: Counted) -> None:
        if self.row is event.row:
            self.detail(event.row.detail + Content(f" · {count(event.turns, 'turn')}"))


def _row(chat: SavedChat, width: int) -> Row[Path]:
    """`date  profile  first message`, and more of that message below."""
    first = visible(" ".join(chat.first.split()), newlines=False)
    profile = visible(chat.profile or "–", newlines=False)
    line = Content.assemble(
        f"{chat.changed:%Y-%m-%d %H:%M}  ",
        (fit(profile, width) + "  " if width else "", "$muted"),
        (first, "") if first else (chat.problem, "$warning"),
    )
    detail = Content.assemble(
        (first[:150] or chat.problem, "$foreground"), "\n", f"{profile} · {visible(chat.path.name)}"
    )
    return Row(chat.path if chat.profile else None, line, detail, f"{line.plain} {chat.path.name}")

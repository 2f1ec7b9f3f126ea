"""Which text is to be read: one that is pasted or typed, or one of a file or folder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.types import CSSPathType
from textual.widgets import Static, TextArea
from textual.worker import get_current_worker

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sources import Source, read_sources
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.reading import Chat, PlainText
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.dialogs.picker import Picker, Row
from logit_amp_chat.tui.widgets.text_field import TextField

PASTED = "pasted text"
LONGEST_PATH = 4096
MOST = 1000  # texts of files that are offered


class ReadTextScreen(Dialog[Source]):
    """Answers with the text to read; a path that exists is read as a file."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "read_text.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "words", "Read these words", id="read_text.words", show=False)
    ]
    heading = "Read a text through both models"
    keys = "enter read · ctrl+j new line · esc cancel"

    @dataclass
    class Checked(Message):
        """The files were checked: the first of their texts, and whether there are more."""

        sources: Sequence[Source]
        more: bool

    @dataclass
    class Refused(Message):
        """They cannot be read."""

        error: LogitAmpError

    def __init__(self, vocabulary: str | None = None) -> None:
        """Replies of saved chats are read as their tokens where these are of `vocabulary`."""
        super().__init__()
        self._vocabulary = vocabulary

    def body(self) -> ComposeResult:
        """The text, and what it may be."""
        yield Static(
            "Paste or type a text, or the path of a file or folder.",
            classes="muted",
            markup=False,
        )
        yield TextField("", "")

    @property
    def _text(self) -> str:
        return self.query_one(TextField).text

    @property
    def _path(self) -> Path | None:
        """The file or folder that was typed; None if there is none of that name."""
        typed = self._text.strip()
        if not typed or "\n" in typed or len(typed) > LONGEST_PATH:
            return None
        try:
            path = Path(typed).expanduser()
            return path if path.exists() else None
        except (OSError, ValueError, RuntimeError):
            return None

    @on(TextArea.Changed)
    def _typed(self) -> None:
        path = self._path
        kind = "folder" if path is not None and path.is_dir() else "file"
        self.say(f"enter reads this {kind}, F2 these words." if path is not None else "")

    @on(TextField.Accepted)
    def _accept(self) -> None:
        if (path := self._path) is not None:
            self.say("Checking …")
            self._check(path)
        else:
            self.action_words()

    def action_words(self) -> None:
        """Read what was typed, whether there is such a file or not."""
        if self._text.strip():
            content = PlainText(text=self._text)
            self.dismiss(Source(name=PASTED, place="", line=1, content=content))
        else:
            self.problem("There is no text yet. Paste or type one.")

    # --- files ----------------------------------------------------------------------

    @work(thread=True, exclusive=True)
    def _check(self, path: Path) -> None:
        try:
            texts = read_sources([path], vocabulary=self._vocabulary).readable()
            found = list(itertools.islice(texts, MOST + 1))
        except LogitAmpError as error:
            answer: Message = self.Refused(error)
        else:
            answer = self.Checked(found[:MOST], len(found) > MOST)
        if not get_current_worker().is_cancelled:
            self.post_message(answer)

    @on(Refused)
    def _refused(self, event: Refused) -> None:
        self.problem(visible(f"{event.error.message} {event.error.remedy}", newlines=False))

    @on(Checked)
    def _checked(self, event: Checked) -> None:
        def take(source: Source | None) -> None:
            if source is not None:
                self.dismiss(source)

        if not self.is_current:
            return
        self.say("")
        if len(event.sources) == 1:
            take(event.sources[0])
        else:
            self.app.push_screen(SourcePicker(event.sources, more=event.more), take)


class SourcePicker(Picker[Source]):
    """Chooses one of several texts."""

    heading = "Which text?"
    keys = "↑↓ move · enter read · esc cancel"

    def __init__(self, sources: Sequence[Source], *, more: bool = False) -> None:
        """Offer `sources`; `more` says that there are others, which are not."""
        super().__init__()
        self._sources = sources
        self._more = more

    def on_mount(self) -> None:
        """List them."""
        self.show([_row(source) for source in self._sources])
        if self._more:
            self.say(f"These are the first {count(len(self._sources), 'text')}.")


def _row(source: Source) -> Row[Source]:
    name = source.name.rpartition("/")[2]
    where = visible(f"{name} {source.place}".strip(), newlines=False)
    text = visible(_beginning(source), newlines=False)
    return Row(
        value=source,
        line=Content.assemble(where, (f"  {text}", "$muted")),
        detail=Content(f"{visible(source.name, newlines=False)}\n{text}"),
        words=f"{where} {text}",
    )


def _beginning(source: Source) -> str:
    match source.content:
        case PlainText(text=text):
            return " ".join(text[:200].split())
        case Chat(messages=messages):
            return " · ".join(" ".join(message.text[:80].split()) for message in messages[:3])
        case recorded:
            return count(len(recorded.tokens), "token")

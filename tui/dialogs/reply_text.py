"""The text of a reply, written by the user: what it begins with, or all of it to go on from."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.types import CSSPathType
from textual.widgets import Static, TextArea

from logit_amp_chat.core.chat.prefix import EditedReply
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.text import editable
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.text_field import TextField

BLANK = "A blank at the end is a token of its own, after which words are odd: leave it out."


class ReplyTextScreen(Dialog[str]):
    """Asks for a text of several lines; `draft` is what was typed, also once it was left."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "reply_text.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+x", "editor", "Editor", id="reply_text.editor", show=False, priority=True)
    ]
    hint: str = ""

    def __init__(self, text: str, cursor: int | None = None) -> None:
        """Start from `text`, with the cursor before this character of it (None: at its end)."""
        super().__init__()
        self.draft = editable(text)
        self._cursor = len(self.draft) if cursor is None else cursor

    def body(self) -> ComposeResult:
        """What is asked for, and the text."""
        yield Static(self.hint, classes="muted", markup=False)
        yield TextField("", "")

    def on_mount(self) -> None:
        """Show the text as it is: a line break at its end counts."""
        self._show(self.draft, self._cursor)

    def _show(self, text: str, cursor: int) -> None:
        field = self.query_one(TextField)
        field.load_text(text)
        lines = text[:cursor].split("\n")
        field.move_cursor((len(lines) - 1, len(lines[-1])))
        self.explain()

    @property
    def before_cursor(self) -> str:
        """The text up to the cursor."""
        row, column = self.query_one(TextField).cursor_location
        lines = self.draft.split("\n")
        return "\n".join([*lines[:row], lines[row][:column]])

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self.draft = self.query_one(TextField).text
        self.explain()

    def explain(self) -> None:
        """Say what the text means."""
        self.say(BLANK if self.draft.endswith(" ") else "")

    @on(TextField.Accepted)
    def _accept(self) -> None:
        self.dismiss(self.draft)

    def action_editor(self) -> None:
        """Write the text in the user's editor."""
        from logit_amp_chat.tui.terminal.external_editor import edit_in

        try:
            text = editable(edit_in(self.app, self.draft))
        except LogitAmpError as error:
            self.problem(f"{error.message} {error.remedy}".strip())
        else:
            if text == self.draft.removesuffix("\n"):
                text = self.draft  # an editor's last line break is its own
            self._show(text, len(text))


class BeginScreen(ReplyTextScreen):
    """Asks for what replies begin with; nothing where they begin by themselves."""

    heading = "Begin the reply with …"

    def __init__(self, text: str, *, answers: bool) -> None:
        """Start from `text`; with `answers` a message that is there is answered at once."""
        super().__init__(text)
        self.hint = (
            "The reply is given this text and goes on from it, as are the next ones."
            if answers
            else "From your next message on, replies are given this text and go on from it."
        )
        self.keys = (
            f"enter {'answer' if answers else 'accept'} · ctrl+j new line · ctrl+x editor"
            " · esc leave"
        )


class EditReplyScreen(ReplyTextScreen):
    """Asks for the text of a reply to go on from, and says what becomes of its tokens."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+k", "cut", "Cut here", id="reply_text.cut", show=False, priority=True)
    ]
    heading = "Edit the reply"
    hint = "All of this text is given to the reply, which goes on at its end."
    keys = (
        "enter go on at the end · ctrl+k cut here and go on · ctrl+j new line · ctrl+x editor"
        " · esc leave"
    )

    def __init__(
        self, edited: EditedReply, text: str | None = None, cursor: int | None = None
    ) -> None:
        """Start from the reply's text, or from `text`, which was made of it before."""
        super().__init__(edited.text if text is None else text, cursor)
        self._edited = edited

    def explain(self) -> None:
        """How much of the reply stays, and what is lost with the rest."""
        ids, typed, _ = self._edited.prefix(self.draft)
        parts = [f"{len(ids):,} of {count(len(self._edited.log.steps), 'token')} stay"]
        if typed:
            parts.append(f"{count(len(typed), 'character')} become new ones")
        if lost := self._edited.lost(self.draft):
            parts.append(f"{count(lost, 'special token')} of the old text left out")
        said = f"{', '.join(parts)}."
        self.say(f"{said} {BLANK}" if typed.endswith(" ") else said)

    def action_cut(self) -> None:
        """Go on from what stands before the cursor."""
        self.dismiss(self.before_cursor)

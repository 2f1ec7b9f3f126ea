"""Writing a line about a token or a reply, or its name."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.line_input import LineInput


class NoteScreen(Dialog[str]):
    """Asks for one line; an empty one deletes what was there."""

    CSS_PATH = "base.tcss"
    heading = "Note"
    keys = "enter save · leave empty to delete · esc cancel"

    def __init__(self, about: str, text: str) -> None:
        """Ask about something, with what was written before."""
        super().__init__()
        self._about = about
        self._text = text

    def body(self) -> ComposeResult:
        """What it is about, and one line to write on."""
        yield Static(Content(visible(self._about, newlines=False)), classes="muted", markup=False)
        yield LineInput(self._text, compact=True, select_on_focus=False)

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


class NameScreen(NoteScreen):
    """The same for the name of a reply."""

    heading = "Label"

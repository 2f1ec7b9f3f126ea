"""Asking for one line of text."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from logit_amp_chat.core.text import editable
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.line_input import LineInput


class LineScreen(Dialog[str]):
    """Answers with what was typed, which may be nothing."""

    CSS_PATH = "base.tcss"

    def __init__(self, heading: str, text: str = "", hint: str = "") -> None:
        """Start from `text`."""
        super().__init__()
        self.heading = heading
        self._text = text
        self._hint = hint

    def body(self) -> ComposeResult:
        """The line, and what is asked for."""
        if self._hint:
            yield Static(self._hint, classes="muted", markup=False)
        yield LineInput(" ".join(editable(self._text).split()), compact=True)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        self.dismiss(" ".join(event.value.split()))

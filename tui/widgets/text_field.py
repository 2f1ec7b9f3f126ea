"""A text of several lines in a dialog."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import Reactive, reactive
from textual.widgets import TextArea

from logit_amp_chat.core.text import editable
from logit_amp_chat.tui.widgets.line_input import edit


class TextField(TextArea):
    """A text in which enter accepts the dialog and ctrl+j makes a new line."""

    cursor_blink: Reactive[bool] = reactive(False, init=False)  # as in LineInput

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,shift+enter", "newline", "New line", id="system.newline", show=False),
    ]

    class Accepted(Message):
        """The user is done."""

    def __init__(self, text: str, placeholder: str) -> None:
        """Start from `text`, with the cursor on a line of its own below it."""
        lines = editable(text)
        super().__init__(
            f"{lines}\n" if lines else "",
            compact=True,
            placeholder=placeholder,
            highlight_cursor_line=False,
        )
        self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":  # the text area would make it a new line
            event.stop()
            event.prevent_default()
            self.post_message(self.Accepted())
        else:
            await edit(self, event)

    def ends_at_cursor(self, step: int) -> bool:
        """Whether the cursor is on the last line as wrapped (`step` 1), or on the first (−1)."""
        place = self.cursor_location
        if step > 0:
            return self.navigator.is_last_wrapped_line(place)
        return self.navigator.is_first_wrapped_line(place)

    def action_newline(self) -> None:
        """Break the line at the cursor."""
        self.insert("\n")

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = editable(event.text)

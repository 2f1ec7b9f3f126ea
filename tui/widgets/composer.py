"""The composer: the text area for the next message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import Reactive, reactive
from textual.widgets import TextArea

from logit_amp_chat.core.text import editable
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.widgets.line_input import edit

NEWLINE = ("ctrl+j", "shift+enter", "shift+\r")


class Composer(TextArea):
    """A text area in which enter sends and ctrl+j makes a new line.

    Up in the first line and down in the last one go through the messages sent
    before and the draft; so does up right after one was recalled, with the
    cursor at its end.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("composer")]
    cursor_blink: Reactive[bool] = reactive(False, init=False)  # as in LineInput

    @dataclass
    class Submitted(Message):
        """The user sends the text."""

        text: str
        special: bool = False

    @dataclass
    class Left(Message):
        """The user goes up past the oldest sent message: to the transcript."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            show_line_numbers=False,
            highlight_cursor_line=False,
            tab_behavior="focus",
            compact=True,
            placeholder="Message",
        )
        self.special = False
        """Whether what the message spells like a special token is that token."""
        self.sent: list[str] = []
        self._draft = ""
        self._looked_at: int | None = None  # index in `sent`; None: the draft
        self._recalled: tuple[str, tuple[int, int]] | None = None  # text and cursor, as recalled

    async def _on_key(self, event: events.Key) -> None:
        if event.key not in ("enter", *NEWLINE):
            await edit(self, event)
            return
        event.stop()
        event.prevent_default()  # nor the text area's own handler
        if event.key == "enter":
            self.action_submit()
        else:
            self.action_newline()

    def action_submit(self) -> None:
        """Send the text, unless it is blank."""
        if text := self.text.rstrip():
            # Emptied here, not by the receiver: more keys may follow at once.
            special = self.special
            self.put("")
            self.remember(text)
            self.post_message(self.Submitted(text, special))

    def remember(self, *texts: str) -> None:
        """Add messages to the ones that going up finds."""
        for text in texts:
            if not self.sent or self.sent[-1] != text:
                self.sent.append(text)
        self._looked_at = None

    def action_newline(self) -> None:
        """Break the line at the cursor."""
        self.insert("\n")

    def action_cursor_up(self, select: bool = False) -> None:
        """Up; from the first line to the message sent before, past the oldest one out."""
        untouched = self._recalled == (self.text, self.cursor_location)
        if select or (self._row > 0 and not untouched):
            super().action_cursor_up(select)
        elif not self._look_at(-1):
            self.post_message(self.Left())

    def action_cursor_down(self, select: bool = False) -> None:
        """Down; from the last line to the next message, at last the draft."""
        last = self.wrapped_document.height - 1
        if select or self._row < last or not self._look_at(1):
            super().action_cursor_down(select)

    @property
    def _row(self) -> int:
        """The row of the cursor in the wrapped text."""
        return self.wrapped_document.location_to_offset(self.cursor_location).y

    def _look_at(self, by: int) -> bool:
        """Show an older or a newer message. False where there is none."""
        draft = len(self.sent)
        at = draft if self._looked_at is None else self._looked_at
        to = at + by
        if not 0 <= to <= draft:
            return False
        if at == draft:
            self._draft = self.text
        self.put(self._draft if to == draft else self.sent[to], special=self.special)
        if to != draft:
            self._looked_at = to
            self._recalled = self.text, self.cursor_location
        return True

    def put(self, text: str, *, special: bool = False) -> None:
        """Replace the text, with the cursor at the end."""
        self.special = special
        self._looked_at = self._recalled = None
        self.load_text(editable(text))
        self.move_cursor(self.document.end)

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = editable(event.text)

"""The composer: where the next message is written."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.widgets import TextArea

NEWLINE = ("ctrl+j", "shift+enter", "shift+\r")


class Composer(TextArea):
    """A text area in which enter sends and ctrl+j makes a new line."""

    @dataclass
    class Submitted(Message):
        """The user sends what was written."""

        text: str

    @dataclass
    class Left(Message):
        """The cursor went up past the first line."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            show_line_numbers=False,
            highlight_cursor_line=False,
            tab_behavior="focus",
            compact=True,
            placeholder="Message",
        )

    async def _on_key(self, event: events.Key) -> None:
        # Not as bindings: those would overtake the letters typed just before.
        # Textual calls the text area's own handler after this one.
        if event.key == "enter" or event.key in NEWLINE:
            event.stop()
            event.prevent_default()
            if event.key == "enter":
                self.action_submit()
            else:
                self.action_newline()

    def action_submit(self) -> None:
        """Send the text, unless it is blank."""
        if text := self.text.rstrip():
            # Emptied here and not by who takes the message: letters may follow at once.
            self.put("")
            self.post_message(self.Submitted(text))

    def action_newline(self) -> None:
        """Break the line at the cursor."""
        self.insert("\n")

    def action_cursor_up(self, select: bool = False) -> None:
        """Up, and out of the composer from its first line."""
        if not select and self.cursor_at_first_line:
            self.post_message(self.Left())
        else:
            super().action_cursor_up(select)

    def put(self, text: str) -> None:
        """Replace what is there, with the cursor at the end."""
        self.load_text(_plain(text))
        self.move_cursor(self.document.end)

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = _plain(event.text)


def _plain(text: str) -> str:
    """Without the control characters that a terminal would act on."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f"))

"""What all dialogs share: a frame over the chat, one line for problems, one for the keys."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widgets import Static

T = TypeVar("T")


class Dialog(ModalScreen[T | None]):
    """A question over the chat; esc answers it with None.

    A subclass gives `heading`, `keys` and the widgets of its `body`.
    """

    CSS_PATH: ClassVar[CSSPathType] = "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="dialog.cancel", show=False)
    ]

    # Textual declares these two on the instance.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012

    heading: str = ""
    keys: str = "enter accept · esc cancel"

    def compose(self) -> ComposeResult:
        """The frame around the body."""
        with Vertical(id="frame") as frame:
            frame.border_title = self.heading
            yield from self.body()
            with Vertical(id="foot"):
                yield Static(id="problem", markup=False)
                yield Static(self.keys, id="keys", markup=False)

    def meet(self, event: events.Key | events.Paste) -> bool:
        """Called before a key goes to the focused widget. Whether it was all that was meant.

        What is typed right after tab belongs into the next field.
        """
        key = event.key if isinstance(event, events.Key) else ""
        if key == "tab":
            self.focus_next()
        elif key == "shift+tab":
            self.focus_previous()
        return key in ("tab", "shift+tab")

    def body(self) -> ComposeResult:
        """What is asked."""
        yield from ()

    def problem(self, text: str) -> None:
        """Say what is wrong with the answer, in the dialog; an empty text takes it back."""
        line = self.query_one("#problem", Static)
        line.set_class(False, "-said")
        line.update(Content(text))
        line.display = bool(text)

    def say(self, text: str) -> None:
        """Say in the same place what was done."""
        self.problem(text)
        self.query_one("#problem", Static).set_class(True, "-said")

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)

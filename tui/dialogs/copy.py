"""What to copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from logit_amp_chat.core.export.snippets import Copy
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.dialogs.picker import fit


class CopyScreen(Dialog[Copy]):
    """A letter, or ↑ ↓ and enter, chooses what to copy."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "copy.tcss"]
    heading = "Copy"
    keys = "a letter, or ↑↓ and enter, copies · esc cancel"

    def __init__(self, copies: Sequence[Copy]) -> None:
        """Offer `copies`, the first one under the cursor."""
        super().__init__()
        self._copies = copies

    def body(self) -> ComposeResult:
        """One line for each."""
        width = max(len(copy.name) for copy in self._copies)
        lines = (f" {copy.key}  {fit(copy.name, width)}  {copy.about}" for copy in self._copies)
        yield OptionList(
            *(Option(Content(line)) for line in lines), id="copies", markup=False, compact=True
        )

    def on_mount(self) -> None:
        """Enter copies the first."""
        self.query_one(OptionList).highlighted = 0

    def on_key(self, event: events.Key) -> None:
        """Copy what has this letter."""
        for copy in self._copies:
            if event.character == copy.key:
                event.stop()
                self.dismiss(copy)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._copies[event.option_index])

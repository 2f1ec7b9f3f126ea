"""The search bar: an input for the query, and the number of hits."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.widgets.line_input import LineInput


class SearchLine(LineInput):
    """The query; its keys are in the registry."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("search")]


class SearchBar(Horizontal):
    """One line below the text: query and number of hits."""

    def __init__(self) -> None:
        super().__init__(id="search-bar")
        self.line = SearchLine(id="search", placeholder="Find in what is shown", compact=True)
        self.count = Static(id="search-count", markup=False)

    def compose(self) -> ComposeResult:
        """A slash, the query, the count."""
        yield Static("/", id="search-slash", markup=False)
        yield self.line
        yield self.count

    def show_count(self, here: int, total: int) -> None:
        """Show the number of the current hit and of all hits."""
        text = f"{here}/{total}" if total else "nothing found" if self.line.value else ""
        self.count.update(Content(text))

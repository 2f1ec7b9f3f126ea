"""What is counted in the replies of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.types import CSSPathType
from textual.widgets import Static, TextArea

from logit_amp_chat.core.chat.swept_patterns import lines_of, patterns_of
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.text_field import TextField

HOW = "NAME=REGEX, one a line, as in habit=lighthouse. Capitals count, unless it begins with (?i)."


class BehavioursScreen(Dialog[tuple[Behaviour, ...]]):
    """Asks for patterns; every reply that matches one is a hit of it."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "behaviours.tcss"]
    heading = "Behaviours to count"
    keys = "enter count · ctrl+j new line · esc cancel"

    def __init__(self, behaviours: Iterable[Behaviour]) -> None:
        """Start from what is counted now."""
        super().__init__()
        self._lines = lines_of(behaviours)

    def body(self) -> ComposeResult:
        """The lines, and what they may be."""
        yield Static(HOW, classes="muted", markup=False)
        yield TextField(self._lines, "habit=lighthouse")

    @on(TextArea.Changed)
    def _mend(self) -> None:
        self.problem("")

    @on(TextField.Accepted)
    def _accept(self) -> None:
        try:
            self.dismiss(tuple(patterns_of(self.query_one(TextField).text)))
        except UsageError as error:
            self.problem(visible(f"{error.message} {error.remedy}", newlines=False))

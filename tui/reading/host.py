"""What the actions that read tokens need of their screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from textual.app import App
from textual.widget import Widget

from logit_amp_chat.tui.reading.log_panel import LogPanel
from logit_amp_chat.tui.reading.reading_view import ReadingView


class LogHost(Protocol):
    """A screen with a token log, as the actions see it."""

    @property
    def view(self) -> LogPanel:
        """The widgets around the log."""

    @property
    def app(self) -> App[Any]:
        """The app: dialogs, clipboard."""

    def set_focus(self, widget: Widget | None) -> None:
        """Give the keyboard to a widget."""

    def call_after_refresh(self, callback: Callable[[], object], /) -> bool:
        """Call back once what was changed is laid out."""


class ReadingHost(LogHost, Protocol):
    """The screen of a text, as its actions see it."""

    @property
    def view(self) -> ReadingView:
        """The widgets of the text."""

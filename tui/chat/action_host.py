"""What the actions of the chat need of its screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from textual.app import App
from textual.widget import Widget

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.tui.chat.layout import ChatView


class ChatHost(Protocol):
    """The chat screen, as its actions see it.

    They change `session`, bring `view` in line with it, tell the user in
    `view.notice`, and open dialogs with `app.push_screen`.
    """

    session: ChatSession
    view: ChatView

    @property
    def app(self) -> App[Any]:
        """The app: dialogs, clipboard, suspending."""

    def set_focus(self, widget: Widget | None) -> None:
        """Give the keyboard to a widget."""

    def call_after_refresh(self, callback: Callable[[], object], /) -> bool:
        """Call back once what was changed is laid out."""

    def run_worker(
        self, work: Callable[[], None], *, group: str, exclusive: bool, thread: bool
    ) -> object:
        """Do something slow on a thread."""

"""What the actions of the chat need of its screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.tui.chat.layout import ChatView
from logit_amp_chat.tui.reading.host import LogHost


class ChatHost(LogHost, Protocol):
    """The chat screen, as its actions see it.

    They change `session`, bring `view` in line with it, tell the user in
    `view.notice`, and open dialogs with `app.push_screen`.
    """

    session: ChatSession

    @property
    def view(self) -> ChatView:
        """The widgets of the chat."""

    def run_worker(
        self, work: Callable[[], None], *, group: str, exclusive: bool, thread: bool
    ) -> object:
        """Do something slow on a thread."""

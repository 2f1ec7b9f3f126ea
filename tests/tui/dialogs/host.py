"""An app with nothing in it but the dialog that a test is about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.theme import DARK

T = TypeVar("T")
UNANSWERED = object()


class Host(App[None]):
    """Shows `dialog` over some text, and keeps its answer."""

    def __init__(self, dialog: Dialog[T]) -> None:
        super().__init__()
        self.dialog = dialog
        self.answer: object = UNANSWERED
        self.register_theme(DARK)
        self.theme = DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DARK.variables

    def compose(self) -> ComposeResult:
        yield Static("\n".join(f"{n} what is said in the chat " * 8 for n in range(70)))

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self._take)

    def _take(self, answer: object) -> None:
        self.answer = answer

    @property
    def text(self) -> str:
        """What stands in the dialog's frame, line by line."""
        frame = self.dialog.query_one("#frame").region
        lines = self.screen._compositor.render_strips()[frame.y : frame.bottom]
        return "\n".join(line.crop(frame.x, frame.right).text for line in lines)

    @property
    def words(self) -> str:
        """The same as one line, however it was wrapped."""
        return " ".join(self.text.replace("│", " ").split())


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for `condition`, as long as a busy machine may need for it."""
    async with asyncio.timeout(30):
        while not condition():
            await pilot.pause()

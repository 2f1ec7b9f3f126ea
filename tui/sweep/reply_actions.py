"""Moving through the replies of a sweep, and what leaves its screen."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from logit_amp_chat.core.export.snippets import Copy
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.text import short_path
from logit_amp_chat.tui.reading.cursor_actions import CursorActions
from logit_amp_chat.tui.reading.file_actions import FileActions
from logit_amp_chat.tui.reading.host import LogHost
from logit_amp_chat.tui.sweep.sweep_view import SweepView


class SweepHost(LogHost, Protocol):
    """The screen of a sweep, as its actions see it."""

    @property
    def view(self) -> SweepView:
        """The widgets of the sweep."""


class ReplyActions(CursorActions):
    """Picks replies; nothing stands out but what is searched for."""

    def __init__(self, host: SweepHost) -> None:
        super().__init__(host)
        self.view: SweepView = host.view

    def reply(self, by: int) -> None:
        """Pick another reply."""
        self.view.list.pick_by(by)

    def top(self) -> None:
        """Pick the first reply."""
        self.view.list.pick_end(last=False)

    def end(self) -> None:
        """Pick the last reply."""
        self.view.list.pick_end(last=True)

    def to_notable(self, direction: int) -> bool:
        """There is none."""
        return False


class SweepFiles(FileActions):
    """Copies of a sweep."""

    def __init__(self, host: SweepHost) -> None:
        super().__init__(host)
        self.view: SweepView = host.view

    @property
    def folder(self) -> Path:
        """Where the sweep is saved."""
        return self.view.sweep.path

    def copy(self) -> None:
        """Choose what to copy: the reply, or where the sweep is."""
        from logit_amp_chat.tui.dialogs.copy import CopyScreen

        swept, path = self.view.list.picked, str(self.folder)
        copies = [Copy("f", "the path of the folder", short_path(self.folder), path)]
        if swept is not None:
            about = f"{lane_title(swept.reply.alpha)}, number {swept.reply.n + 1}"
            copies.insert(0, Copy("y", "the reply", about, swept.reply.text))

        def take(copy: Copy | None) -> None:
            if copy is not None:
                self.copy_text(copy.name, copy.text)

        self.host.app.push_screen(CopyScreen(copies), take)

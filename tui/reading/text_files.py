"""What leaves the screen of a text: copies, and the file that it is saved in."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.export.snippets import Copy, figures
from logit_amp_chat.core.number_format import count
from logit_amp_chat.tui.reading.file_actions import FileActions
from logit_amp_chat.tui.reading.host import ReadingHost
from logit_amp_chat.tui.reading.reading_view import WAITS, ReadingView
from logit_amp_chat.tui.widgets.candidate_table import quoted


class TextFiles(FileActions):
    """Copies and exports of a text that was read."""

    def __init__(self, host: ReadingHost) -> None:
        super().__init__(host)
        self.view: ReadingView = host.view

    @property
    def folder(self) -> Path:
        """Where the text is saved."""
        return self.view.reading.folder

    def export(self) -> None:
        """Write what was read as a page, Markdown, text or JSON."""
        self.export_file(self.view.reading.path, WAITS[self.view.reading.wait])

    def copy(self) -> None:
        """Choose what to copy: the token, or the text."""
        from logit_amp_chat.tui.dialogs.copy import CopyScreen

        document, step = self.view.reading.document, self.view.log_view.step_under_cursor()
        if document is None:
            self.view.notice.say("There is nothing to copy yet.")
            return
        copies = [Copy("y", "the text", count(len(document.text), "character"), document.text)]
        if step is not None and self.view.reading.log is not None:
            about = f"{step.index + 1} of {len(document.offsets)}: {quoted(step.text)}"
            text = figures(self.view.reading.log, step.index)
            copies.append(Copy("t", "the token's figures", about, text))

        def take(copy: Copy | None) -> None:
            if copy is not None:
                self.copy_text(copy.name, copy.text)

        self.host.app.push_screen(CopyScreen(copies), take)

"""What leaves a screen: copies, pictures, exports; and the help."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.text import short_path
from logit_amp_chat.tui.reading.host import LogHost


class FileActions(ABC):
    """The actions that write a file or copy.

    Each dialog is imported when it is asked for: the first frame needs none.
    """

    def __init__(self, host: LogHost) -> None:
        self.host = host
        self.view = host.view

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where what is copied is kept for terminals without a clipboard."""

    def help(self) -> None:
        """Every key and what it does."""
        from logit_amp_chat.tui.dialogs.help import HelpScreen

        self.host.app.push_screen(HelpScreen(self.view.actions))

    def copy_text(self, name: str, text: str) -> None:
        """Copy to the clipboard, and into a file for terminals that have none.

        `name` says what it is: "the reply".
        """
        from logit_amp_chat.tui.terminal import clipboard

        notice = self.view.notice
        self.host.app.copy_to_clipboard(text)
        try:
            path = short_path(clipboard.keep(text, self.folder))
        except LogitAmpError as error:
            notice.say(error.message, error=True)
            return
        if clipboard.fits(text):
            notice.say(f"Copied {name}, also to {path}.", kind="file")
        else:
            notice.say(f"Too long for a terminal's clipboard: {name} is in {path}.", kind="file")

    def picture(self) -> None:
        """Save what is on the screen as a picture, where exports go."""
        from logit_amp_chat.core.export.atomic_write import write_atomically
        from logit_amp_chat.tui.terminal.screenshot import picture

        path = Path.cwd() / f"logit-amp-chat-{datetime.now():%Y-%m-%d-%H%M%S}.svg"
        notice = self.view.notice
        try:
            write_atomically(path, picture(self.host.app))
        except LogitAmpError as error:
            notice.say(error.message, error=True)
        else:
            notice.say(f"This screen is saved as {short_path(path)}.", kind="file")

    def export_file(self, path: Path | None, remedy: str) -> None:
        """Ask where to write a transcript to, and as what; without one say what to do."""
        from logit_amp_chat.core.export import Format
        from logit_amp_chat.tui.dialogs.export import ExportScreen

        if path is None:
            self.view.notice.say("There is nothing to export yet.", remedy)
            return

        def take(answer: tuple[Path, Format] | None) -> None:
            if answer is not None:
                self.export_to(path, *answer)

        self.host.app.push_screen(ExportScreen(Path.cwd() / f"{path.stem}.html"), take)

    def export_to(self, path: Path, target: Path, to: str) -> None:
        """Write the transcript `path` to `target` in the format `to`."""
        from logit_amp_chat.core.export import FORMATS, export
        from logit_amp_chat.core.export.atomic_write import write_atomically

        notice = self.view.notice
        try:
            text = export(path, next(known for known in FORMATS if known == to))
            write_atomically(target, text)
        except LogitAmpError as error:
            notice.say(error.message, error.remedy, error=True)
        else:
            notice.clear_information()
            notice.say(f"Exported to {target}.", kind="file")

"""Where to export a chat to, and as what."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from logit_amp_chat.core.export import FORMATS, Format, format_of
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.line_input import LineInput

NAMES: dict[Format, str] = {"html": "a page", "md": "Markdown", "txt": "text", "json": "JSON"}


def _formats(chosen: Format | None) -> Content:
    """All formats, the chosen one marked."""
    marked = (f"{'●' if known == chosen else '○'} .{known} {name}" for known, name in NAMES.items())
    return Content("   ".join(marked))


class ExportScreen(Dialog[tuple[Path, Format]]):
    """Asks for a file; its ending says the format."""

    CSS_PATH = "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "format(-1)", "Format before", id="export.up", show=False),
        Binding("down", "format(1)", "Next format", id="export.down", show=False),
    ]
    heading = "Export"
    keys = "↑↓ format · enter write · esc cancel"

    def __init__(self, suggested: Path) -> None:
        """Start from the file `suggested`."""
        super().__init__()
        self._suggested = suggested
        self._replace: Path | None = None

    def body(self) -> ComposeResult:
        """The file, and the formats with the chosen one marked."""
        yield Static("Write this chat to the file", classes="muted", markup=False)
        yield LineInput(str(self._suggested), compact=True, select_on_focus=False)
        yield Static(_formats(format_of(self._suggested)), id="formats", markup=False)

    @property
    def _path(self) -> Path:
        return Path(self.query_one(Input).value.strip()).expanduser()

    @on(Input.Changed)
    def _show_format(self) -> None:
        self.problem("")
        self._replace = None
        self.query_one("#formats", Static).update(_formats(format_of(self._path)))

    def action_format(self, step: int) -> None:
        """Give the file the ending of the next format."""
        now = format_of(self._path)
        new = FORMATS[(FORMATS.index(now) + step) % len(FORMATS)] if now else FORMATS[0]
        field = self.query_one(Input)
        name = field.value.strip()
        field.value = f"{name.removesuffix(Path(name).suffix) if now else name}.{new}"
        field.cursor_position = len(field.value)

    @on(Input.Submitted)
    def _accept(self) -> None:
        path, chosen = self._path, format_of(self._path)
        if chosen is None:
            self.problem("The file must end in .html, .md, .txt or .json.")
        elif path.is_dir() or not path.parent.is_dir():
            folder = path if path.is_dir() else path.parent
            reason = "is a folder." if path.is_dir() else "does not exist. Make it first."
            self.problem(f"{visible(str(folder))} {reason}")
        elif path.exists() and path != self._replace:
            self._replace = path
            self.problem("That file exists. Press enter again to replace it.")
        else:
            self.dismiss((path, chosen))

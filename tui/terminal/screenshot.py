"""What is on the screen, or was printed, as a picture that needs nothing from elsewhere."""

from __future__ import annotations

import io
import re
from typing import Any

from rich.console import Console
from rich.text import Text
from textual.app import App

# Rich would have the viewer fetch a font.
_FONT = re.compile(r"@font-face\s*{.*?}\s*", re.DOTALL)


def picture(app: App[Any]) -> str:
    """The screen as SVG, in whatever fixed-width font the viewer has."""
    return _FONT.sub("", app.export_screenshot(title=app.title))


def printed(text: str, width: int, title: str) -> str:
    """Text with colours as a terminal of this width shows it, as SVG."""
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="256"
    )
    console.print(Text.from_ansi(text))
    return _FONT.sub("", console.export_svg(title=title))

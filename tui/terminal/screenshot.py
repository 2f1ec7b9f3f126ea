"""What is on the screen, as a picture that needs nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App

# Rich would have the viewer fetch a font.
_FONT = re.compile(r"@font-face\s*{.*?}\s*", re.DOTALL)


def picture(app: App[Any]) -> str:
    """The screen as SVG, in whatever fixed-width font the viewer has."""
    return _FONT.sub("", app.export_screenshot(title=app.title))

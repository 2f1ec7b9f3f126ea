"""Renders a reply's Markdown; nothing in it can act on the terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.markdown import Markdown
from rich.style import Style

from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.token_log.wrapping import RENDERED, WrappedText


def add_markdown(wrapped: WrappedText, text: str) -> None:
    """Append `text`, rendered to the width of `wrapped`, without colours and links."""
    console = Console(file=StringIO(), width=max(10, wrapped.width - 1), color_system=None)
    # No hyperlinks: an address hidden behind words should not be clickable.
    markdown = Markdown(visible(text), hyperlinks=False)
    wrapped.new_line()
    lines = console.render_lines(markdown, pad=False)
    while lines and not "".join(segment.text for segment in lines[-1]).strip():
        lines.pop()
    for number, line in enumerate(lines):
        if number:
            wrapped.add("\n", RENDERED)
        for segment in line:
            # Rendering turns entities such as &#27; into characters.
            wrapped.add(visible(segment.text), RENDERED + _attributes(segment.style))


def _attributes(style: Style | None) -> str:
    """Bold, italic and the like, without the colours of Rich's theme."""
    names = ("bold", "italic", "underline", "strike")
    return " ".join(name for name in names if style is not None and getattr(style, name))

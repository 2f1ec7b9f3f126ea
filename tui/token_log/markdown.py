"""A reply as the Markdown it was meant as; nothing in it can act on the terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.markdown import Markdown
from rich.style import Style

from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.token_log.wrapping import RENDERED, Flow


def add_markdown(flow: Flow, text: str) -> None:
    """Append `text` rendered to the flow's width, without colours and links."""
    console = Console(file=StringIO(), width=max(10, flow.width - 1), color_system=None)
    # Links stay text: an address that is hidden behind words is nothing to click on.
    markdown = Markdown(visible(text), hyperlinks=False)
    flow.new_line()
    lines = console.render_lines(markdown, pad=False)
    while lines and not "".join(segment.text for segment in lines[-1]).strip():
        lines.pop()
    for number, line in enumerate(lines):
        if number:
            flow.add("\n", RENDERED)
        for segment in line:
            # Entities such as &#27; become characters only in rendering.
            flow.add(visible(segment.text), RENDERED + _attributes(segment.style))


def _attributes(style: Style | None) -> str:
    """Bold, italic and the like; the colours of Rich's theme are not ours."""
    names = ("bold", "italic", "underline", "strike")
    return " ".join(name for name in names if style is not None and getattr(style, name))

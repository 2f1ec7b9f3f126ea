"""The size of the terminal, which a parent shell may have frozen."""

from __future__ import annotations

import os


def follow_terminal() -> None:
    """Have this process and those that it starts ask the terminal for its size.

    COLUMNS and LINES that a shell has exported go before the terminal, and stay as they were
    when its size changes: in Textual, and in editors.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)

"""A message written in the user's editor, in a real terminal that is handed over and taken back."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from tests.e2e.chat import Chat

Start = Callable[..., Chat]
TO_EDITOR = "\x18"  # ctrl+x


def editor(folder: Path, body: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_editor_has_the_terminal_and_the_chat_comes_back(start: Start, tmp_path: Path) -> None:
    command = editor(
        tmp_path, 'echo "in the editor"; read answer; printf "\\n%s\\n" "$answer" >> "$1"'
    )
    chat = start("--max-new-tokens", "5", VISUAL=command)
    chat.until_ready()
    chat.terminal.write("draft")
    chat.terminal.see("draft")
    chat.terminal.write(TO_EDITOR)
    chat.terminal.see("in the editor")
    chat.terminal.write("by hand\r")
    chat.terminal.see("┃ by hand")  # the composer's, not what the editor echoed
    chat.terminal.press("enter")
    chat.terminal.see("Cut at the limit")
    (said,) = chat.conversation.messages.values()
    assert said.text == "draft\nby hand"


def test_without_an_editor_the_chat_says_so_and_goes_on(start: Start, tmp_path: Path) -> None:
    chat = start("--max-new-tokens", "5", VISUAL="", EDITOR="", PATH=str(tmp_path))
    chat.until_ready()
    chat.terminal.write("draft")
    chat.terminal.see("draft")
    chat.terminal.write(TO_EDITOR)
    chat.terminal.see("No editor is set", "export EDITOR", "draft")
    chat.terminal.press("enter")
    chat.terminal.see("Cut at the limit")

"""Lines that a terminal sends without saying that they were pasted are one draft."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.e2e.chat import Chat
from tests.e2e.tmux import Tmux

Start = Callable[..., Chat]
LINES = "def greet(name):\n\tif name:\n\n\t\tprint(name)\n"


def test_tmux_pastes_without_brackets(start: Start, tmux: Tmux, tmp_path: Path) -> None:
    text = tmp_path / "text.py"
    text.write_text(LINES)
    chat = start(columns=80, rows=40, wrapper=tmux.start_in("tmux-256color"))
    chat.until_ready()
    tmux.ask("load-buffer", str(text))
    tmux.ask("paste-buffer")
    chat.terminal.see("def greet(name):", "if name:", "print(name)")
    assert chat.user_texts() == []
    chat.terminal.press("enter")
    chat.terminal.until(lambda: chat.streaming)
    assert chat.user_texts() == [LINES.rstrip()]


def test_a_long_paste_comes_in_many_parts(start: Start) -> None:
    text = "".join(f"line {number} of what was pasted\r" for number in range(1000))
    chat = start(columns=80, rows=40)
    chat.until_ready()
    chat.terminal.write(text)
    chat.terminal.see("line 999 of what was pasted")
    assert chat.user_texts() == []
    chat.terminal.press("enter")
    chat.terminal.until(lambda: chat.user_texts())
    assert chat.user_texts() == [text.rstrip().replace("\r", "\n")]


def test_a_message_with_its_enter_is_sent(start: Start) -> None:
    chat = start()
    chat.until_ready()
    chat.terminal.write("hello\r")
    chat.terminal.until(lambda: chat.streaming)
    assert chat.user_texts() == ["hello"]

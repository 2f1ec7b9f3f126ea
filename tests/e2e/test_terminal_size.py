"""The screen follows its terminal, whatever a parent shell has exported."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.e2e.chat import Chat
from tests.e2e.tmux import Tmux

Start = Callable[..., Chat]
FROZEN = {"COLUMNS": "100", "LINES": "30"}
SIZES = ((70, 40), (110, 20))


def fills(chat: Chat, columns: int, rows: int) -> bool:
    """Whether the composer's frame reaches the last column, and the keys stand in the last line."""
    lines = [line.rstrip() for line in chat.terminal.screen.display]
    framed = any(line.startswith("┏") and len(line) == columns for line in lines)
    return framed and len(lines) == rows and "F1 help" in lines[-1]


def follows(chat: Chat) -> None:
    chat.until_ready()
    for columns, rows in SIZES:
        chat.terminal.resize(columns, rows)
        chat.terminal.until(partial(fills, chat, columns, rows))


def test_in_a_plain_terminal(start: Start) -> None:
    follows(start(columns=100, rows=30, **FROZEN))


def test_in_tmux(start: Start, tmux: Tmux) -> None:
    """tmux gives its panes the environment that it was started in."""
    chat = start(columns=100, rows=30, wrapper=tmux.start_in("tmux-256color"), **FROZEN)
    chat.until_ready()
    assert "COLUMNS=100" in tmux.ask("show-environment", "-g")
    follows(chat)


def test_a_chat_at_rest_sends_nothing(start: Start) -> None:
    """Neither a clock nor a blinking cursor keeps a line busy."""
    chat = start()
    chat.until_ready()
    chat.say_and_stream("hello")
    chat.terminal.press("esc")
    chat.terminal.see("Stopped by you")
    assert sent_at_rest(chat) == b""
    chat.terminal.write("\x07")
    chat.terminal.see("enter accept")
    assert sent_at_rest(chat) == b"", "nor in a dialog"


def sent_at_rest(chat: Chat) -> bytes:
    """What comes in two seconds, once it has come to rest; a cursor would blink four times."""
    chat.terminal.watch(1)
    before = len(chat.terminal.raw)
    chat.terminal.watch(2)
    return bytes(chat.terminal.raw[before:])

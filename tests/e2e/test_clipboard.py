"""What a copy writes to a real terminal: read from the pty, also from around a real tmux."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence

import pytest

from tests.e2e.chat import Chat, environment
from tests.e2e.tmux import Tmux

Start = Callable[..., Chat]
OSC_52 = re.compile(rb"\x1b\]52;[cps]*;([A-Za-z0-9+/=]+)(?:\a|\x1b\\)")


def clipboards(raw: bytes | bytearray) -> list[str]:
    """Everything that a terminal that reads these bytes was given for its clipboard."""
    return [base64.b64decode(data).decode() for data in OSC_52.findall(bytes(raw))]


def as_screen_passes_on(raw: bytes) -> bytes:
    """What GNU screen sends to the terminal of what an app wraps for it."""
    return b"".join(re.findall(rb"\x1bP([^\x1b]*(?:\x1b[^\\][^\x1b]*)*)\x1b\\", raw))


def copied(chat: Chat) -> str:
    """Say something, copy the reply with keys, and give back what should be copied."""
    chat.until_ready()
    chat.say("hello")
    chat.terminal.see("Cut at the limit")
    chat.terminal.press("tab")
    chat.terminal.see("enter write")
    chat.terminal.press("y")
    chat.terminal.see("y  the reply")
    chat.terminal.press("y")
    chat.terminal.see("Copied the reply, also to", "clipboard.txt")
    return chat.last_reply.text


def test_a_terminal_gets_one_sequence(start: Start) -> None:
    chat = start("--max-new-tokens", "30")
    text = copied(chat)
    chat.terminal.until(lambda: clipboards(chat.terminal.raw) == [text])
    assert (chat.folder / "clipboard.txt").read_text(encoding="utf-8") == text


def test_tmux_gets_a_wrapped_one_too(start: Start) -> None:
    chat = start("--max-new-tokens", "30", TERM="tmux-256color")
    text = copied(chat)
    data = base64.b64encode(text.encode())
    wrapped = b"\x1bPtmux;\x1b\x1b]52;c;" + data + b"\a\x1b\\"
    chat.terminal.until(lambda: wrapped in chat.terminal.raw)
    assert clipboards(chat.terminal.raw)[0] == text


def test_screen_gets_it_in_pieces(start: Start) -> None:
    chat = start("--max-new-tokens", "900", rows=30, TERM="screen", STY="1.pts-0")
    text = copied(chat)
    assert len(text) > 1000
    chat.terminal.until(lambda: clipboards(as_screen_passes_on(bytes(chat.terminal.raw))) == [text])


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param([], id="as it comes"),
        pytest.param(["set -g set-clipboard on"], id="set-clipboard on"),
        pytest.param(
            ["set -g set-clipboard off", "set -g allow-passthrough on"], id="passthrough alone"
        ),
    ],
)
def test_it_comes_through_a_real_tmux(start: Start, tmux: Tmux, settings: Sequence[str]) -> None:
    chat = start("--max-new-tokens", "30", wrapper=tmux.start_in("tmux-256color", *settings))
    text = copied(chat)
    chat.terminal.until(lambda: text in clipboards(chat.terminal.raw))
    assert set(clipboards(chat.terminal.raw)) == {text}
    assert environment()["TERM"] == "xterm-256color", "tmux knows that this one has a clipboard"

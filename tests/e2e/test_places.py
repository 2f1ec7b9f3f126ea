"""Terminals of all kinds: multiplexers, without colour, and those that are none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.chat import COMMAND, Chat, environment, squeezed
from tests.e2e.terminal import Process, Terminal
from tests.e2e.tmux import Tmux

Start = Callable[..., Chat]
HINT = "logit-amp-chat reply --prompt TEXT"
SGR = re.compile(rb"\x1b\[([\d;:]*)m")
COLOURS = {*range(30, 50), *range(90, 108)} - {39, 49}  # those two take colour away


@pytest.mark.parametrize("term", ["tmux-256color", "screen-256color", "screen", "xterm"])
def test_the_chat_runs_in_tmux(start: Start, tmux: Tmux, term: str) -> None:
    chat = start(wrapper=tmux.start_in(term))
    terminal = chat.terminal
    chat.until_ready()
    app = Process(int(tmux.ask("list-panes", "-F", "#{pane_pid}")))
    (engine,) = app.children()
    assert f"TERM={term}".encode() in Path(f"/proc/{app.pid}/environ").read_bytes().split(b"\0")

    chat.say_and_stream("hello")
    terminal.press("F3")
    terminal.see("‹α +1.1›")
    terminal.press("F5")
    terminal.see("token ", "α amplified 0")
    terminal.press("esc")
    terminal.see("Stopped by you")
    terminal.press("F1")
    terminal.see("Anywhere", "esc close")
    terminal.press("esc")
    terminal.until(lambda: "Anywhere" not in terminal.text)
    terminal.press("F4")
    terminal.see("B before", "A after", "α +1.1")
    terminal.resize(80, 24)
    terminal.see("B before", "Message")

    tmux.ask("kill-server")
    terminal.until_gone([app, engine], seconds=5)
    finish = chat.last_reply.finish
    assert finish is not None
    assert finish.reason == "cancelled"


def test_a_storm_of_sizes_in_mid_reply_changes_nothing_but_the_layout(start: Start) -> None:
    chat = start()
    terminal = chat.terminal
    chat.until_ready()
    chat.say_and_stream("hello")
    sizes = random.Random(3)
    for _ in range(60):
        terminal.resize(sizes.randint(1, 200), sizes.randint(1, 60))
        terminal.pump(0.01)
    terminal.resize(100, 80)
    terminal.until(lambda: chat.streaming and len(chat.reply_on_screen) > 0)
    terminal.press("esc")
    terminal.see("Stopped by you")
    terminal.until(lambda: chat.reply_on_screen == squeezed(chat.last_reply.text))


def test_without_colour_no_colour_is_sent(start: Start) -> None:
    chat = start("--max-new-tokens", "30", NO_COLOR="1")
    terminal = chat.terminal
    chat.until_ready()
    chat.say("hello")
    terminal.see("Cut at the limit")
    terminal.press("F4")
    terminal.until(lambda: terminal.text.count("Cut at the limit") == 3)
    terminal.press("F5")
    terminal.see("by α ↓")
    terminal.press("F1")
    terminal.see("Anywhere", "esc close")
    terminal.press("esc")
    terminal.until(lambda: "Anywhere" not in terminal.text)
    terminal.press("ctrl+q")
    assert terminal.exit_code() == 0
    sent = [code for codes in SGR.findall(bytes(terminal.raw)) for code in codes.split(b";")]
    assert b"7" in sent or b"1" in sent, "shape has to carry what colour does not"
    assert not {int(code) for code in sent if code} & COLOURS


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_draw_is_refused(
    tmp_path: Path, endless_pair: Path, term: str
) -> None:
    terminal = Terminal(
        [COMMAND, "--profile", str(endless_pair), "--transcripts", str(tmp_path / "chats")],
        environment(term),
        columns=300,
    )
    try:
        assert terminal.exit_code() == 2
        assert f"TERM is {term or 'not set'}" in terminal.text
        assert HINT in terminal.text
        assert b"\x1b" not in terminal.raw
        assert terminal.restored
        assert not (tmp_path / "chats").exists()
    finally:
        terminal.close()


@pytest.mark.parametrize("redirection", ["< /dev/null", "| cat"])
def test_a_pipe_is_no_terminal(endless_pair: Path, redirection: str) -> None:
    command = f'"{COMMAND}" --profile "{endless_pair}" {redirection}; exit "${{PIPESTATUS[0]}}"'
    terminal = Terminal(["bash", "-c", command], environment(), columns=300)
    try:
        assert terminal.exit_code() == 2
        assert "The chat needs a terminal" in terminal.text
        assert HINT in terminal.text
        assert "Traceback" not in terminal.text
        assert b"\x1b" not in terminal.raw
    finally:
        terminal.close()

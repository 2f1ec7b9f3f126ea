"""The app around the chat: terminal, signals, colours, what it imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from textual.filter import NoColor

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.records import Finish
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.app import where_it_is
from logit_amp_chat.tui.terminal.capabilities import check_terminal
from tests.tui.chat_driver import open_chat
from tests.tui.sweep.sweeper import begin, sample


def test_the_first_frame_needs_no_torch() -> None:
    script = """
import asyncio, sys
from pathlib import Path
from tests.tui.chat_driver import open_chat
async def main():
    async with open_chat(Path("unused")) as chat:
        assert "Write something below" in chat.log
asyncio.run(main())
heavy = {"torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_pipe_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="logit-amp-chat reply"):
        check_terminal()


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_without_a_cursor_is_refused(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)
    with pytest.raises(UsageError, match="TERM"):
        check_terminal()


@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM"])
async def test_a_signal_saves_and_ends_the_chat(tmp_path: Path, name: str) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(3)
        path = chat.session.saved.recorder.path
        number = getattr(signal, name)
        os.kill(os.getpid(), number)
        await chat.until(lambda: chat.app.return_code is not None)
        assert chat.app.return_code == 128 + number
        assert chat.engine.closed
        assert chat.app.backstop is not None
        chat.app.backstop.cancel()
    assert path is not None
    last = read_records(path)[-1]
    assert isinstance(last, Finish)
    assert last.reason == "cancelled"


async def test_no_color_sends_no_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_chat(tmp_path) as chat:
        filters = chat.app.get_line_filters()
        assert [type(line_filter) for line_filter in filters] == [NoColor]


async def test_ctrl_c_quits_only_when_pressed_twice(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("ctrl+c")
        assert "quit" in chat.notice
        await chat.press("x", "ctrl+c")
        assert chat.app.return_code is None
        await chat.pilot.press("ctrl+c")
        await chat.until(lambda: chat.app.return_code == 0)


async def test_ctrl_c_stops_a_reply(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("ctrl+c")
        assert "Stopped by you" in chat.log


async def test_colours_turn_light_and_back(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.app.turn_light()
        await chat.frame()
        assert not chat.app.current_theme.dark
        chat.app.turn_light()
        assert chat.app.current_theme.dark


def test_the_command_that_resumes_a_chat_is_quoted_for_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my chats; rm -r $HOME" / "it's.jsonl"
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    saved, resume = where_it_is(path)
    assert saved == f"This chat is saved in {path}"
    command = resume.removeprefix("To resume it: ")
    read = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True)
    assert read.stdout.splitlines() == ["logit-amp-chat", "--resume", str(path)]


def test_without_the_command_on_the_path_it_is_python_that_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    _, resume = where_it_is(tmp_path / "a.jsonl")
    assert resume.endswith(f"{sys.executable} -m logit_amp_chat --resume {tmp_path / 'a.jsonl'}")


def test_a_sweep_that_is_not_finished_goes_on_later(tmp_path: Path) -> None:
    *_, sweep = where_it_is(tmp_path / "a.jsonl", sweeping=True)
    assert sweep == "Its sweep is not finished: there press S, then u, to go on with it."


async def test_a_sweep_that_runs_when_the_chat_is_left_is_known(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await chat.press("ctrl+q")
    assert chat.app.is_sweeping


async def test_a_sweep_that_is_finished_is_not(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        await chat.press("ctrl+q")
    assert not chat.app.is_sweeping


def test_a_path_that_cannot_be_shown_as_it_is_has_no_command(tmp_path: Path) -> None:
    (saved,) = where_it_is(tmp_path / "\x1b]0;x\x07.jsonl")
    assert "\x1b" not in saved

"""What was said is elsewhere too, whatever becomes of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Finish
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.e2e.chat import Chat

Start = Callable[..., Chat]


def answered(chat: Chat, text: str) -> None:
    """Say something, and stop the reply."""
    chat.say_and_stream(text)
    chat.terminal.press("esc")
    chat.terminal.see("Stopped by you")


def is_copied(chat: Chat, folder: Path) -> bool:
    copy = folder / chat.path.name
    return copy.exists() and copy.read_bytes() == chat.path.read_bytes()


def script(folder: Path, body: str) -> str:
    path = folder / "mirror.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return str(path)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system, where there is one."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def test_a_machine_that_vanishes_takes_nothing_with_it(start: Start, elsewhere: Path) -> None:
    chat = start("--mirror", str(elsewhere), columns=80, rows=24)
    chat.until_ready()
    answered(chat, "hello")
    chat.terminal.until(lambda: is_copied(chat, elsewhere))
    chat.terminal.see("chat saved · mirrored ")
    os.killpg(chat.terminal.process.pid, signal.SIGKILL)
    chat.terminal.until(lambda: chat.terminal.process.gone)
    finish = read_records(elsewhere / chat.path.name)[-1]
    assert isinstance(finish, Finish)
    assert finish.reason == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_in_mid_reply(start: Start, elsewhere: Path, number: signal.Signals) -> None:
    chat = start("--mirror", str(elsewhere))
    chat.until_ready()
    chat.say_and_stream("hello")
    chat.terminal.process.send(number)
    assert chat.terminal.exit_code() == 128 + number
    assert is_copied(chat, elsewhere)
    assert isinstance(read_records(elsewhere / chat.path.name)[-1], Finish)


def test_a_terminal_that_goes_away(start: Start, elsewhere: Path) -> None:
    chat = start("--mirror", str(elsewhere))
    chat.until_ready()
    chat.say_and_stream("hello")
    chat.terminal.hang_up()
    chat.terminal.until_gone([chat.terminal.process], 30)
    assert is_copied(chat, elsewhere)


def test_a_terminal_that_reads_no_more(start: Start, elsewhere: Path) -> None:
    """The app blocks on writing to it; what it is ended by waits for the mirror."""
    chat = start("--mirror", str(elsewhere))
    chat.until_ready()
    chat.say_and_stream("hello")
    held = len(chat.last_reply.steps)
    chat.terminal.wait_unread(lambda: len(chat.last_reply.steps) > held + 1000)
    chat.terminal.process.send(signal.SIGTERM)
    chat.terminal.wait_unread(lambda: chat.terminal.process.gone)
    assert is_copied(chat, elsewhere)
    assert isinstance(read_records(elsewhere / chat.path.name)[-1], Finish)


def test_a_command_that_fails_is_said_and_its_recovery_takes_it_back(
    start: Start, elsewhere: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    body = f'test -e {broken} && echo "no route to host" >&2 && exit 1\ncp "$1" {elsewhere}/'
    chat = start(LOGIT_AMP_CHAT_MIRROR=script(tmp_path, body), columns=80, rows=24)
    chat.until_ready()
    answered(chat, "hello")
    terminal = chat.terminal
    terminal.see("Cannot mirror with mirror.sh: no route to host", "chat saved · NOT MIRRORED")
    broken.unlink()
    terminal.until(lambda: is_copied(chat, elsewhere))
    terminal.see("chat saved · mirrored ")
    terminal.until(lambda: "no route" not in terminal.text)


def test_a_command_that_hangs_delays_nothing(start: Start, tmp_path: Path) -> None:
    chat = start("--mirror", script(tmp_path, f"echo > {tmp_path}/began; exec sleep 600"))
    chat.until_ready()
    answered(chat, "hello")
    chat.terminal.until(lambda: (tmp_path / "began").exists())
    answered(chat, "still there?")
    chat.terminal.press("ctrl+q")
    chat.terminal.see("This chat is saved in", "Waiting for mirror.sh", "ctrl+c leaves")
    chat.terminal.press("ctrl+c")
    chat.terminal.see("NOT MIRRORED", chat.path.name[:10])
    assert chat.terminal.exit_code() == 0
    assert not any(tmp_path.glob("logit-amp-mirror-*"))


def test_a_setting_that_is_wrong_is_said_before_anything_is_loaded(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "logit-amp-chat").mkdir()
    settings = tmp_path / "logit-amp-chat" / "settings.yaml"
    settings.write_text("miror: /mnt\n")
    chat = start(columns=200, XDG_CONFIG_HOME=str(tmp_path))
    chat.terminal.see("settings.yaml,", "line 1", "did you mean mirror?")
    assert chat.terminal.exit_code() == 2


def test_the_setting_is_used(start: Start, elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "logit-amp-chat").mkdir()
    (tmp_path / "logit-amp-chat" / "settings.yaml").write_text(f"mirror: {elsewhere}\n")
    chat = start(XDG_CONFIG_HOME=str(tmp_path))
    chat.until_ready()
    answered(chat, "hello")
    chat.terminal.until(lambda: is_copied(chat, elsewhere))


# --- rsync ------------------------------------------------------------------------


@pytest.fixture
def rsync_daemon(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a module of an rsync daemon on loopback, and its folder."""
    program = shutil.which("rsync")
    if program is None:
        pytest.skip("rsync is not installed (Debian, Ubuntu: apt-get install rsync)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path / "remote"
    folder.mkdir()
    settings = tmp_path / "rsyncd.conf"
    owner = f"uid = {os.getuid()}\ngid = {os.getgid()}\n" if os.getuid() == 0 else ""
    module = f"[chats]\npath = {folder}\nread only = no\n{owner}"
    settings.write_text(f"use chroot = no\n{module}")
    command = [program, "--daemon", "--no-detach", f"--port={port}", f"--config={settings}"]
    with subprocess.Popen([*command, "--address=127.0.0.1"]) as daemon:
        yield f"rsync://127.0.0.1:{port}/chats/", folder
        daemon.terminate()


def test_an_rsync_daemon(start: Start, rsync_daemon: tuple[str, Path]) -> None:
    address, folder = rsync_daemon
    chat = start("--mirror", f"rsync {{file}} {address}")
    chat.until_ready()
    answered(chat, "hello")
    chat.terminal.until(lambda: is_copied(chat, folder))
    answered(chat, "and more")
    chat.terminal.press("ctrl+q")
    assert chat.terminal.exit_code() == 0
    assert is_copied(chat, folder)

"""A target takes a file completely or not at all, deletes nothing, and says why it cannot."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.transcripts.mirror_target import (
    CommandTarget,
    FolderTarget,
    MirrorError,
    MirrorTarget,
    mirror_target,
)

NEVER = threading.Event()
HEADER = b'{"type":"session","id":"%s"}\n'


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "here" / "chat.jsonl"
    path.parent.mkdir()
    path.write_bytes(HEADER % b"one")
    return path


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no other file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def script(folder: Path, body: str) -> Path:
    """A program for `sh`."""
    path = folder / "mirror.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path


def send(target: MirrorTarget | None, path: Path, name: str = "chat.jsonl") -> None:
    assert target is not None
    target.send(path, name, NEVER)


# --- what a setting names ---------------------------------------------------------


def test_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "my chats").mkdir()
    for text in (str(tmp_path / "my chats"), "my chats"):
        found = mirror_target(text, tmp_path)
        assert isinstance(found, FolderTarget)
        assert found.folder == tmp_path / "my chats"


def test_a_folder_that_is_to_be_made(tmp_path: Path) -> None:
    for text in (str(tmp_path / "new"), "./new"):
        assert isinstance(mirror_target(text, tmp_path), FolderTarget)


def test_off() -> None:
    assert mirror_target("off", Path.cwd()) is None


@pytest.mark.parametrize("text", ["no-such-program {file} x:", "", "   ", "cp 'open", "a\x1bb"])
def test_what_is_neither(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot mirror to") as caught:
        mirror_target(text, tmp_path)
    assert "\x1b" not in str(caught.value)
    assert "rclone copyto {file}" in caught.value.remedy


def test_a_program_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    script(tmp_path, "exit 0")
    assert isinstance(mirror_target("~/mirror.sh", Path("/")), CommandTarget)


# --- a folder ----------------------------------------------------------------------


def test_a_file_on_another_file_system(chat: Path, other_file_system: Path) -> None:
    target = FolderTarget(other_file_system / "chats")
    send(target, chat, "deeper/chat.jsonl")
    chat.write_bytes(chat.read_bytes() + b'{"type":"note"}\n')
    send(target, chat, "deeper/chat.jsonl")
    copy = other_file_system / "chats" / "deeper" / "chat.jsonl"
    assert copy.read_bytes() == chat.read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.iterdir()] == ["chat.jsonl"], "nothing beside it"


def test_a_file_is_not_mirrored_to_itself(chat: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(chat.parent)
    with chat.open("ab") as writer:
        for folder in (chat.parent, tmp_path / "link", tmp_path / "here" / ".." / "here"):
            with pytest.raises(MirrorError, match="the files are written there"):
                send(FolderTarget(folder), chat)
        writer.write(b'{"type":"note"}\n')
    assert chat.read_bytes() == HEADER % b"one" + b'{"type":"note"}\n'
    assert [path.name for path in chat.parent.iterdir()] == ["chat.jsonl"]


def test_a_link_at_the_target_gives_way_to_a_copy(chat: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "chat.jsonl").symlink_to(chat)
    send(FolderTarget(there), chat)
    assert not (there / "chat.jsonl").is_symlink()
    assert (there / "chat.jsonl").read_bytes() == chat.read_bytes()


def test_another_file_of_the_same_name_stays(chat: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    for name in (b"two", b"three"):
        (there / "chat.jsonl").write_bytes(HEADER % name)
        send(FolderTarget(there), chat)
    kept = {path.name: path.read_bytes() for path in there.iterdir()}
    assert kept == {
        "chat.jsonl": HEADER % b"one",
        "chat.1.jsonl": HEADER % b"two",
        "chat.2.jsonl": HEADER % b"three",
    }


def test_a_chat_that_went_on_elsewhere_stays(chat: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    send(FolderTarget(there), chat)
    longer = chat.read_bytes() + b'{"type":"note","text":"said elsewhere"}\n' * 1000
    (there / "chat.jsonl").write_bytes(longer)
    chat.write_bytes(chat.read_bytes() + b'{"type":"note","text":"said here"}\n' * 2000)
    send(FolderTarget(there), chat)
    assert (there / "chat.1.jsonl").read_bytes() == longer
    assert (there / "chat.jsonl").read_bytes() == chat.read_bytes()


def test_a_page_is_replaced(tmp_path: Path) -> None:
    page, there = tmp_path / "page.html", tmp_path / "there"
    for text in ("one", "two"):
        page.write_text(text)
        send(FolderTarget(there), page, "page.html")
    assert [path.read_text() for path in there.iterdir()] == ["two"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_refuses_leaves_what_is_there(
    number: int, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    send(FolderTarget(there), chat)
    earlier = chat.read_bytes()
    chat.write_bytes(earlier + b'{"type":"note"}\n')

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(MirrorError, match=os.strerror(number)):
        send(FolderTarget(there), chat)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {"chat.jsonl": earlier}


def test_a_file_in_the_place_of_the_folder(chat: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    with pytest.raises(MirrorError, match="Cannot mirror to"):
        send(FolderTarget(tmp_path / "there"), chat)


def test_a_folder_that_vanished_is_made_again(chat: Path, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "there")
    send(target, chat)
    (tmp_path / "there" / "chat.jsonl").unlink()
    (tmp_path / "there").rmdir()
    send(target, chat)
    assert (tmp_path / "there" / "chat.jsonl").exists()


def test_a_mount_that_is_lost_is_not_written_below(
    chat: Path, tmp_path: Path, other_file_system: Path
) -> None:
    """A link stands for the mount point: afterwards the same path is on another file system."""
    mount = tmp_path / "mount"
    mount.symlink_to(other_file_system)
    target = FolderTarget(mount / "chats")
    send(target, chat)
    mount.unlink()
    mount.mkdir()
    with pytest.raises(MirrorError, match="no longer mounted"):
        send(target, chat)
    assert not any(mount.iterdir())


# --- a command -----------------------------------------------------------------------


def test_a_command_gets_file_and_name(chat: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    send(mirror_target(f"cp {{file}} {tmp_path}/there/{{name}}", tmp_path), chat, "x.jsonl")
    assert (tmp_path / "there" / "x.jsonl").read_bytes() == chat.read_bytes()


def test_a_file_that_is_called_like_a_place_for_one(tmp_path: Path) -> None:
    file, there = tmp_path / "{name}.jsonl", tmp_path / "there"
    file.write_bytes(HEADER % b"one")
    there.mkdir()
    send(mirror_target(f"cp {{file}} {there}/{{name}}", tmp_path), file, "{file}.jsonl")
    assert (there / "{file}.jsonl").read_bytes() == file.read_bytes()


def test_without_a_place_for_it_the_file_comes_last(chat: Path, tmp_path: Path) -> None:
    program = script(tmp_path, f'cp "$2" {tmp_path}/copy; echo "$1" > {tmp_path}/first')
    send(mirror_target(f"{program} 'one word'", tmp_path), chat)
    assert (tmp_path / "copy").read_bytes() == chat.read_bytes()
    assert (tmp_path / "first").read_text() == "one word\n"


def test_no_shell_reads_it(chat: Path, tmp_path: Path) -> None:
    program = script(tmp_path, f'printf "%s|" "$@" > {tmp_path}/got')
    send(mirror_target(f"{program} '$(touch {tmp_path}/ran)' ';' {{name}}", tmp_path), chat, "a;b")
    assert (tmp_path / "got").read_text() == f"$(touch {tmp_path}/ran)|;|a;b|"
    assert not (tmp_path / "ran").exists()


def test_the_file_does_not_grow_while_the_command_runs(chat: Path, tmp_path: Path) -> None:
    """rclone gives up where the size of what it reads changes."""
    program = script(tmp_path, f'echo more >> {chat}; cp "$1" {tmp_path}/copy')
    before = chat.read_bytes()
    send(mirror_target(str(program), tmp_path), chat)
    assert (tmp_path / "copy").read_bytes() == before
    assert chat.read_bytes() != before


def test_a_command_that_fails_says_its_last_lines(chat: Path, tmp_path: Path) -> None:
    program = script(tmp_path, r"printf 'first\nsecond\n\033[31mno route to host.\n\n' >&2; exit 7")
    with pytest.raises(MirrorError) as caught:
        send(mirror_target(str(program), tmp_path), chat)
    assert caught.value.message == "Cannot mirror with mirror.sh: second; ␛[31mno route to host."


def test_a_command_that_fails_silently_or_is_killed(chat: Path, tmp_path: Path) -> None:
    for body, why in (
        ("exit 3", "it ended with exit code 3"),
        ("kill -9 $$", "killed by signal 9"),
    ):
        with pytest.raises(MirrorError, match=why):
            send(mirror_target(str(script(tmp_path, body)), tmp_path), chat)


def test_a_command_that_hangs_is_ended_with_what_it_started(chat: Path, tmp_path: Path) -> None:
    program = script(tmp_path, f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/child; wait; wait")
    began = time.monotonic()
    with pytest.raises(MirrorError, match=r"did not end within 0\.3 s"):
        send(CommandTarget([str(program)], limit=0.3), chat)
    assert time.monotonic() - began < 10
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_command_has_no_terminal(chat: Path, tmp_path: Path) -> None:
    """ssh would ask for a password there, in the middle of the screen."""
    body = "import os; os.open('/dev/tty', os.O_RDWR)"
    target = CommandTarget([sys.executable, "-c", body])
    with pytest.raises(MirrorError, match="No such device or address"):
        send(target, chat)


def test_a_copy_is_left_nowhere(
    chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    send(mirror_target("true", tmp_path), chat)
    with pytest.raises(MirrorError):
        send(mirror_target("false", tmp_path), chat)
    assert not any(temporary.iterdir())

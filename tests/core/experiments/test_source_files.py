"""Paths name files, folders and standard input; what cannot be read is said by name."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.source_files import Found, InputFile, find_files


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)


def names(found: Found) -> list[str]:
    return [file.name for file in found.files]


def contents(file: InputFile) -> bytes:
    with file.open() as opened:
        return opened.read()


def refusal(*paths: str | Path) -> UsageError:
    with pytest.raises(UsageError) as raised:
        find_files(paths, None)
    assert raised.value.remedy
    return raised.value


def test_files_keep_their_order_and_the_names_they_were_given() -> None:
    write("b.txt", "a.txt")
    found = find_files(["./b.txt", Path("a.txt")], None)
    assert names(found) == ["./b.txt", "a.txt"]
    assert [(file.size, file.is_named) for file in found.files] == [(5, True), (5, True)]
    assert contents(found.files[0]) == b"b.txt"


def test_a_folder_is_all_files_below_it_sorted() -> None:
    write("d/b.txt", "d/a/z.md", "d/a.txt")
    found = find_files(["d"], None)
    assert names(found) == ["d/a.txt", "d/b.txt", "d/a/z.md"]
    assert not any(file.is_named for file in found.files)
    assert found.notices == []


def test_hidden_files_and_folders_are_counted_and_left_out() -> None:
    write("d/a.txt", "d/.env", "d/.git/config", "d/.git/HEAD")
    found = find_files(["d"], None)
    assert names(found) == ["d/a.txt"]
    assert found.notices == ["d: hidden files and folders are left out: 2."]


def test_a_hidden_file_that_is_named_is_read() -> None:
    write(".env", ".d/a.txt")
    assert names(find_files([".env", ".d"], None)) == [".env", ".d/a.txt"]


def test_links_are_followed_to_files_and_not_to_folders() -> None:
    write("d/a.txt", "b.txt", "e/c.txt")
    Path("d/b.txt").symlink_to("../b.txt")
    Path("d/loop").symlink_to(".")
    Path("d/gone").symlink_to("nowhere")
    os.mkfifo("d/pipe")
    found = find_files(["d"], None)
    assert names(found) == ["d/a.txt", "d/b.txt"]
    assert found.notices == ["Left out, no files or links to folders: d/loop, d/gone, d/pipe."]
    Path("link").symlink_to("e")
    assert names(find_files(["link"], None)) == ["link/c.txt"]


def test_a_file_that_is_named_twice_is_read_once() -> None:
    write("d/a.txt")
    found = find_files(["d/a.txt", "d"], None)
    assert names(found) == ["d/a.txt"]
    assert found.files[0].is_named
    assert found.notices == ["Found more than once, read once: d/a.txt."]


def test_standard_input_is_read_to_its_end_and_can_be_read_again() -> None:
    found = find_files(["-"], io.BytesIO(b"Otters\n" * 1_000_000))
    (file,) = found.files
    assert (file.name, file.size, file.is_named, file.ending) == ("-", 7_000_000, True, "")
    assert contents(file) == contents(file) == b"Otters\n" * 1_000_000


def test_a_file_can_be_called_like_standard_input() -> None:
    write("-")
    assert contents(find_files(["./-"], None).files[0]) == b"-"
    both = find_files(["-", "./-", "-"], io.BytesIO(b"input"))
    assert [contents(file) for file in both.files] == [b"input", b"-"]
    assert both.notices == ["Found more than once, read once: -."]


def test_a_missing_file_is_refused() -> None:
    write("a.txt")
    assert refusal("a.txt", "b.txt").message == "Cannot read b.txt: No such file or directory."
    assert "Not a directory" in refusal("a.txt/b.txt").message
    assert refusal("a\0b").message == "a␀b is no path."


def test_a_loop_of_links_is_refused() -> None:
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    assert "symbolic links" in refusal("a").message


def test_a_pipe_is_refused_without_waiting_for_it() -> None:
    os.mkfifo("pipe")
    error = refusal("pipe")
    assert error.message == "pipe is no file."
    assert "`-`" in error.remedy


def test_a_folder_that_cannot_be_listed_is_refused_or_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("d/a.txt", "d/locked/b.txt")
    scandir = os.scandir

    def locked(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert refusal("d/locked").message == "Cannot read d/locked: Permission denied."
    found = find_files(["d"], None)
    assert names(found) == ["d/a.txt"]
    assert found.notices == ["Left out, Permission denied: d/locked."]


def test_a_name_with_control_characters_is_safe_to_show() -> None:
    assert refusal("\x1b[2J\nb").message.startswith("Cannot read ␛[2J␊b: ")


def test_an_ending_is_compared_without_case() -> None:
    assert InputFile("a/B.JSONL", 0).ending == ".jsonl"
    assert InputFile("a/.jsonl", 0).ending == ""

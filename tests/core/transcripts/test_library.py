"""The list of saved conversations reads heads, names every problem and drops nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.transcripts.library import HEAD_BYTES, count_turns, saved_chats
from tests.tui.dialogs.samples import save_chat


def test_the_last_written_comes_first(tmp_path: Path) -> None:
    for age, name in enumerate(("b", "a", "c")):
        save_chat(tmp_path / f"{name}.jsonl", name)
        os.utime(tmp_path / f"{name}.jsonl", (age, age))
    assert [chat.first for chat in saved_chats(tmp_path)] == ["c", "a", "b"]


def test_the_head_tells_profile_and_first_message(tmp_path: Path) -> None:
    save_chat(tmp_path / "a.jsonl", "Tell me.", "More.", profile="llama-3.1-8b")
    (chat,) = saved_chats(tmp_path)
    assert (chat.profile, chat.first, chat.problem) == ("llama-3.1-8b", "Tell me.", "")


def test_a_message_that_was_sent_while_the_models_loaded_comes_before_the_profile(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.", profile="llama-3.1-8b")
    session, message, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([message, session, *rest]))
    (chat,) = saved_chats(tmp_path)
    assert (chat.profile, chat.first, chat.problem) == ("llama-3.1-8b", "Tell me.", "")


def test_a_profile_given_as_a_file_is_called_by_the_files_name(tmp_path: Path) -> None:
    save_chat(tmp_path / "a.jsonl", "Tell me.", profile="/models/mine.yaml")
    assert saved_chats(tmp_path)[0].profile == "mine"


def test_what_comes_after_the_first_message_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.")
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + (1 << 32))  # a hole of 4 GiB
    (chat,) = saved_chats(tmp_path)
    assert chat.first == "Tell me."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "cut off, or not a transcript"),
        (b'{"type":"sess', "cut off, or not a transcript"),
        (b"\xff\xfe\n\n[1]\n", "cut off, or not a transcript"),
        (b"x" * (HEAD_BYTES + 5), "cut off, or not a transcript"),
    ],
)
def test_a_file_that_tells_nothing_is_listed_with_the_reason(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    (chat,) = saved_chats(tmp_path)
    assert chat.problem == problem


def test_a_chat_without_a_message_can_still_be_opened(tmp_path: Path) -> None:
    save_chat(tmp_path / "a.jsonl")
    (chat,) = saved_chats(tmp_path)
    assert (chat.profile, chat.problem) == ("demo", "no message in it")


def test_what_is_no_file_does_not_stop_the_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "dangling.jsonl").symlink_to(tmp_path / "nowhere")
    save_chat(tmp_path / "a.jsonl", "Tell me.")
    problems = {chat.path.stem: chat.problem for chat in saved_chats(tmp_path)}
    assert problems == {
        "pipe": "not a file",
        "folder": "not a file",
        "dangling": "cannot be read: No such file or directory",
        "a": "",
    }


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert saved_chats(tmp_path / "none") == []


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TranscriptError, match="Cannot read the folder"):
        saved_chats(tmp_path / "file")


def test_turns_are_user_messages_and_not_what_they_quote(tmp_path: Path) -> None:
    save_chat(tmp_path / "a.jsonl", "One.", 'Two: {"type":"message","role":"user"}')
    assert count_turns(tmp_path / "a.jsonl") == 2
    assert count_turns(tmp_path / "none.jsonl") == 0

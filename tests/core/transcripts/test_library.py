"""Saved conversations: listed by their heads, renamed, copied, deleted; nothing is dropped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.transcripts import library
from logit_amp_chat.core.transcripts.jsonl import read_records, to_line
from logit_amp_chat.core.transcripts.library import (
    HEAD_BYTES,
    preview,
    saved_chats,
)
from logit_amp_chat.core.transcripts.writer import Transcript
from tests.core.read_texts import reading
from tests.core.samples import conversation
from tests.tui.dialogs.samples import save_chat

# --- the list -------------------------------------------------------------------


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


def test_a_text_that_was_read_is_listed_as_that(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, profile="llama-3.1-8b")
    read = reading([("word", 0.0)], source="notes\x1b.txt", place="chat 3")
    with path.open("a") as file:
        file.writelines(to_line(record) + "\n" for record in read)
    (chat,) = saved_chats(tmp_path)
    assert (chat.profile, chat.first) == ("llama-3.1-8b", "")
    assert chat.problem == "a text that was read: notes␛.txt chat 3"
    assert preview(path) == []


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


def test_the_preview_shows_messages_and_the_kept_replies(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    transcript = Transcript.create(tmp_path)
    for record in conversation():
        transcript.append(record)
    transcript.close()
    shown = preview(transcript.path)
    assert shown[:2] == [("user", "Otters?"), (1, "By the wayé")]
    assert preview(path) == []


# --- putting in order -------------------------------------------------------------


def titles(folder: Path) -> list[str]:
    return sorted(chat.title for chat in saved_chats(folder))


def test_the_last_title_counts_and_the_time_of_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.")
    os.utime(path, (5, 5))
    library.rename(path, "Otters")
    library.rename(path, "Otters [/b]\nand crabs")
    (chat,) = saved_chats(tmp_path)
    assert (chat.title, chat.first) == ("Otters [/b]\nand crabs", "Tell me.")
    assert chat.changed.timestamp() == 5


def test_a_title_is_found_before_what_was_said_later(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.")
    library.rename(path, "Otters")
    transcript = Transcript.reopen(path)
    for record in conversation():
        transcript.append(record)
    transcript.close()
    assert titles(tmp_path) == ["Otters"]


def test_a_title_in_a_message_is_no_title(tmp_path: Path) -> None:
    save_chat(tmp_path / "a.jsonl", '\n{"type":"title","text":"no"}')
    assert titles(tmp_path) == [""]


def test_a_copy_holds_the_same_and_another_title(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.", "More.")
    copy = library.duplicate(path, "Tell me. (copy)")
    assert read_records(copy)[:-1] == read_records(path)
    assert titles(tmp_path) == ["", "Tell me. (copy)"]
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_is_copied_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.")
    with path.open("a") as file:
        file.write('{"type":"mess')
    copy = library.duplicate(path, "copy")
    assert titles(tmp_path) == ["", "copy"]
    assert copy.read_bytes().startswith(path.read_bytes())


def test_what_is_deleted_can_be_brought_back(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.")
    written = path.read_bytes()
    away = library.delete(path)
    assert saved_chats(tmp_path) == []
    assert away.read_bytes() == written
    assert library.restore(away) == path
    assert path.read_bytes() == written


def test_a_chat_that_is_being_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.")
    writer = Transcript.reopen(path)
    for change in (lambda: library.delete(path), lambda: library.rename(path, "x")):
        with pytest.raises(TranscriptError, match="another logit-amp-chat"):
            change()
    writer.close()
    assert path.exists()


def test_bringing_back_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_chat(path, "Tell me.")
    away = library.delete(path)
    save_chat(path, "Something else.")
    with pytest.raises(TranscriptError, match="exists already"):
        library.restore(away)
    assert away.exists()

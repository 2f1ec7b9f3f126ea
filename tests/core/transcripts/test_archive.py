"""Saved conversations can be renamed, copied and deleted; nothing of them is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.transcripts import library
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.library import preview, saved_chats
from logit_amp_chat.core.transcripts.writer import Transcript
from tests.core.samples import conversation
from tests.tui.dialogs.samples import save_chat


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
    with pytest.raises(TranscriptError, match="There is another"):
        library.restore(away)
    assert away.exists()


def test_the_preview_shows_messages_and_the_kept_replies(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    transcript = Transcript.create(tmp_path)
    for record in conversation():
        transcript.append(record)
    transcript.close()
    shown = preview(transcript.path)
    assert shown[:2] == [("user", "Otters?"), ("amplified", "By the wayé")]
    assert preview(path) == []

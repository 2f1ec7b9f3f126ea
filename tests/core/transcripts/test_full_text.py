"""All that was said in a file, as the search of saved chats reads it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.full_text import LINE_BYTES, texts
from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.core.read_texts import document, reading, steps
from tests.core.samples import conversation, message, reply, step


def written(folder: Path, *records: Record) -> Path:
    path = folder / "chat.jsonl"
    path.write_text("".join(to_line(record) + "\n" for record in records))
    return path


def test_it_has_every_message_and_every_reply(tmp_path: Path) -> None:
    said = texts(written(tmp_path, *conversation()))
    state = Conversation(conversation())
    messages = [one.text for one in state.messages.values()]
    assert said == [*messages, *(log.text for log in state.replies.values())]
    assert "By the wayé" in said


@pytest.mark.parametrize("text", ['say "hi"\\', "a\nb\tc\x1b", "水獺\u2028", "\\u0041", "\ud800"])
def test_a_token_reads_as_the_record_says(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, message(), reply(), step(0, text), step(1, " end"))
    log = Conversation([reply(), step(0, text), step(1, " end")]).replies["r-1"]
    assert texts(path) == ["Otters?", log.text]


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, message(), reply(), step(0, "fine"))
    path.write_bytes(b'\xff{"type":"step"\n' + path.read_bytes() + b'{"type":"step","reply":"r-1"')
    assert texts(path) == ["Otters?", "fine"]


def test_a_text_that_was_read_is_found_as_a_whole_and_once(tmp_path: Path) -> None:
    """Its scored tokens are part of it."""
    words = [("unscored ", 0.0), ("scored", 0.0)]
    read = dataclasses.replace(document(words, place="chat 3"), offsets=((9, 15),))
    path = written(tmp_path, message(), read, *steps(words[1:]), reply(), step(0, "By"))
    assert texts(path) == ["Otters?", "notes.txt", "chat 3", "unscored scored", "By"]


def test_a_long_text_that_was_read_is_found_to_its_end(tmp_path: Path) -> None:
    long = "a" * (LINE_BYTES + 5) + " otter"
    path = written(tmp_path, *reading([(long, 0.0)]), message())
    assert texts(path) == ["notes.txt", long, "Otters?"]


def test_a_hole_of_four_gigabytes_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, message())
    with path.open("ab") as file:
        file.truncate(1 << 32)
    assert texts(path) == ["Otters?"]


def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert texts(tmp_path / "none.jsonl") == []
    assert texts(tmp_path) == []

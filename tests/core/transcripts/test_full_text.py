"""All that was said in a file, as the search of saved chats reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.full_text import texts
from logit_amp_chat.core.transcripts.jsonl import to_line
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


def test_a_hole_of_four_gigabytes_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, message())
    with path.open("ab") as file:
        file.truncate(1 << 32)
    assert texts(path) == ["Otters?"]


def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert texts(tmp_path / "none.jsonl") == []
    assert texts(tmp_path) == []

"""What the line of a document says, without its tokens."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.transcripts.document_line import DocumentLine, document_line
from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.core.read_texts import document
from tests.core.samples import message


def line(text: str, **fields: object) -> bytes:
    return to_line(document([(text, 0.0)], **fields)).encode()


@pytest.mark.parametrize(
    "text", ["plain", 'say "hi"\\', "a\nb\tc\x1b", "水獺\u2028", "\\u0041", ""]
)
def test_it_is_read_as_the_record_says(text: str) -> None:
    found = document_line(line(text, source=text, place=text))
    assert found == DocumentLine("d-1", text, text, text)


def test_of_a_line_that_is_cut_the_beginning_is_known() -> None:
    cut = line("a" * 1000, place="chat 3")[:200]
    assert document_line(cut) == DocumentLine("d-1", "notes.txt", "chat 3", "")


def test_other_lines_are_none_of_a_document() -> None:
    assert document_line(to_line(message()).encode()) is None
    assert document_line(b'{"type":"document","id":') is None


@pytest.mark.parametrize(
    ("source", "place", "title"),
    [("a.txt", "", "a.txt"), ("a.jsonl", "chat 3", "a.jsonl chat 3"), ("", "", "one two")],
)
def test_a_text_is_called_by_its_file_else_by_how_it_begins(
    source: str, place: str, title: str
) -> None:
    found = document_line(line("one\n two", source=source, place=place))
    assert found is not None
    assert found.title == title

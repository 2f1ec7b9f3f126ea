"""The lines of a transcript: what was written is read, wherever the file was cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Record, Unknown
from logit_amp_chat.core.transcripts.jsonl import (
    UNREADABLE,
    from_line,
    is_unreadable,
    read_records,
    to_line,
)
from tests.core.samples import conversation, message


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.jsonl"
    path.write_text("".join(to_line(record) + "\n" for record in conversation()))
    return path


@pytest.mark.parametrize("record", conversation(), ids=lambda record: record.type)
def test_every_record_survives_its_line(record: Record) -> None:
    assert from_line(to_line(record)) == record


def test_lines_are_standard_json() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for record in conversation():
        json.loads(to_line(record), parse_constant=refuse)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_survives_its_line(text: str) -> None:
    assert "\n" not in to_line(message(text=text))
    assert from_line(to_line(message(text=text))) == message(text=text)


@given(st.text(st.characters(exclude_categories=())))
def test_any_line_is_some_record(line: str) -> None:
    from_line(line.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    "line",
    ["null", "[]", '{"type": 3}', '{"a": 1}', "{" * 100_000, "9" * 5000, '{"type":"step"'],
)
def test_lines_that_are_no_records_are_kept_as_they_are(line: str) -> None:
    assert from_line(line) == Unknown(type=UNREADABLE, fields={"content": line})


def test_a_known_type_with_wrong_fields_is_carried_along() -> None:
    assert from_line('{"type":"keep","replies":[1]}') == Unknown(
        type="keep", fields={"replies": [1]}
    )


def test_a_file_cut_at_any_byte_is_readable_and_loses_one_record_at_most(sample: Path) -> None:
    data = sample.read_bytes()
    records = read_records(sample)
    for cut in range(len(data) + 1):
        sample.write_bytes(data[:cut])
        whole = data[:cut].count(b"\n")
        got = read_records(sample)
        assert got == records[: len(got)]
        assert whole <= len(got) <= whole + 1
        torn = read_records(sample, torn=True)
        assert torn[: len(got)] == got
        assert all(map(is_unreadable, torn[len(got) :]))
        assert len(torn) == len(data[:cut].splitlines())


@pytest.mark.parametrize("content", [b"hello\n", b"\x89PNG\r\n\x1a\n\x00", b"hello", b"[1]\n"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(TranscriptError, match="not a transcript"):
        read_records(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="No such file"):
        read_records(tmp_path / "none.jsonl")

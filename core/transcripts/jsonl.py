"""The lines of a transcript: records to JSON and back, robust against damage."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Known, Record, Unknown

UNREADABLE = "unreadable"
"""Type of the `Unknown` that stands for a line that is no record."""

# How every line begins.
_BEGINNING = b'{"type":'

# What is infinite against all expectation is a string: JSON has no such number.
_KNOWN: TypeAdapter[Known] = TypeAdapter(
    Annotated[Known, Field(discriminator="type")],
    config=ConfigDict(ser_json_inf_nan="strings"),
)


# --- lines ----------------------------------------------------------------------


def to_line(record: Record) -> str:
    """The record as one line of JSON, without the newline."""
    if isinstance(record, Unknown):
        return json.dumps({"type": record.type, **record.fields})
    try:
        return _KNOWN.dump_json(record).decode()
    except PydanticSerializationError:  # lone surrogates: only as escapes
        return json.dumps(_KNOWN.dump_python(record))


def from_line(line: str | bytes) -> Record:
    """The record of one line; anything else becomes an `Unknown`, never dropped."""
    try:
        return _KNOWN.validate_json(line)
    except ValidationError:
        return _unknown(line)


def _unknown(line: str | bytes) -> Record:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        return _unreadable(line)
    with contextlib.suppress(
        ValidationError
    ):  # escaped lone surrogates, which only Python's parser takes
        return _KNOWN.validate_python(data)
    return Unknown(type=data.pop("type"), fields=data)


def _unreadable(line: str | bytes) -> Unknown:
    text = line if isinstance(line, str) else line.decode("utf-8", "replace")
    return Unknown(type=UNREADABLE, fields={"content": text})


# --- reading --------------------------------------------------------------------


def read_records(path: str | Path, *, torn: bool = False) -> list[Record]:
    """All records of a transcript, in order.

    Damaged lines and those of a later version become `Unknown`; a last line
    that was cut off, as by a kill, is returned only with `torn`. Raises
    TranscriptError for a file that cannot be read or is no transcript.
    """
    data = _read(Path(path))
    records = [from_line(line) for line in data.split(b"\n") if line.strip()]
    if data.strip() and not _looks_like_transcript(records, data):
        raise TranscriptError(
            f"{path} is not a transcript: it has no records.",
            "Choose a .jsonl file that logit-amp-chat wrote.",
        )
    if not torn and data.rpartition(b"\n")[2].strip() and is_unreadable(records[-1]):
        records.pop()
    return records


def read_lines(path: Path) -> list[str]:
    """Every line of a transcript as standard JSON, including one that was cut off.

    Records are left as they are in the file, with fields of later versions; a
    line that is no record becomes one of type `unreadable`. Raises
    TranscriptError for a file that cannot be read.
    """
    return [_as_json(line) for line in _read(path).split(b"\n") if line.strip()]


def _as_json(line: bytes) -> str:
    with contextlib.suppress(UnicodeDecodeError):
        if _is_json_object(text := line.decode().strip()):
            return text
    # A byte order mark or encoded surrogates: readable, but JSON only once escaped.
    text = to_line(from_line(line))
    return text if _is_json_object(text) else to_line(_unreadable(line))


def _is_json_object(text: str) -> bool:
    """Whether this is standard JSON, without NaN and Infinity."""
    try:
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TranscriptError(
            f"Cannot read the transcript {path}: {error.strerror}.",
            "Check the path and its permissions.",
        ) from error


def is_unreadable(record: Record) -> bool:
    """Whether this stands for a line that is no record."""
    return isinstance(record, Unknown) and record.type == UNREADABLE


def _looks_like_transcript(records: list[Record], data: bytes) -> bool:
    """Whether some line is a record, or all there is is the beginning of a first line."""
    begun = data.strip()
    if all(map(is_unreadable, records)):
        return b"\n" not in begun and begun[: len(_BEGINNING)] == _BEGINNING[: len(begun)]
    return True

"""What kind of file a text is in, recognised by its content and its ending, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from itertools import islice
from typing import BinaryIO, Literal, TextIO

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments import json_values
from logit_amp_chat.core.experiments.chat_shapes import (
    STRING,
    has_text,
    recognise,
    unknown_shape,
)
from logit_amp_chat.core.experiments.findings import Findings, Located, shown
from logit_amp_chat.core.experiments.json_values import JsonValue, json_file, json_lines
from logit_amp_chat.core.experiments.saved_replies import is_transcript, read_saved
from logit_amp_chat.core.experiments.source_files import InputFile
from logit_amp_chat.core.experiments.text_parts import (
    as_text,
    encoding_of,
    parts_of,
    read_plain,
    undecodable,
)
from logit_amp_chat.core.reading import Chat, Score

Format = Literal["plain text", "JSON", "JSON Lines", "transcript"]

JSON_LINES_ENDINGS = (".jsonl", ".ndjson")
JSON_ENDING = ".json"

# How files of chats begin, whether or not the rest can be parsed.
_LOOKS_LIKE_CHATS = re.compile(
    r'\s*(\[\s*)*\{\s*"(messages|conversations|prompt|completion|role|from|text)"\s*:'
)
_HEAD = 4096


# --- recognising ----------------------------------------------------------------


def format_of(file: InputFile) -> Format:
    """The format of a file; plain text unless it is known to be another one.

    Raises UsageError for chats that are no valid JSON, or more than can be held, and OSError.
    """
    with file.open() as binary:
        if is_transcript(binary):
            return "transcript"
        if file.ending in JSON_LINES_ENDINGS:
            return "JSON Lines"
        try:
            with as_text(binary) as text:
                return _by_content(file, text)
        except UnicodeDecodeError:  # refused when it is read, with its line
            return "plain text"


def _by_content(file: InputFile, text: TextIO) -> Format:
    head = text.read(_HEAD)
    begins = '{["' if file.ending == JSON_ENDING else "{["
    if not head.strip() or head.lstrip()[0] not in begins:
        return "plain text"
    text.seek(0)
    lines = _first_two(json_lines(text, file.name))
    if len(lines) == 2 and _is_known(lines[0], file):
        return "JSON Lines"
    if file.size > json_values.MOST:
        return _too_large(file, head)
    text.seek(0)
    return _as_json(file, text.read())


def _first_two(values: Iterator[JsonValue]) -> list[JsonValue]:
    """The values of the first two lines; none where one of them is no JSON."""
    try:
        return list(islice(values, 2))
    except UsageError:
        return []


def _as_json(file: InputFile, text: str) -> Format:
    try:
        first = next(json_file(text, file.name), None)
    except UsageError:
        if file.ending in (JSON_ENDING, "") and _LOOKS_LIKE_CHATS.match(text):
            raise
        return "plain text"
    return "JSON" if first is not None and _is_known(first, file) else "plain text"


def _is_known(found: JsonValue, file: InputFile) -> bool:
    """Whether a value has a known shape; lists of strings are texts in JSON files alone."""
    try:
        shaped = recognise(found.value, file.name, "all")
    except UsageError:  # of a known shape, and refused when it is read
        return True
    return shaped is not None and (shaped.shape != STRING or file.ending == JSON_ENDING)


def _too_large(file: InputFile, head: str) -> Format:
    if file.ending != JSON_ENDING and not _LOOKS_LIKE_CHATS.match(head):
        return "plain text"
    raise UsageError(
        f"{shown(file.name)} is JSON of more than {json_values.MOST >> 20} MB, which is too much to"
        " hold.",
        "Convert a list to JSON Lines: jq -c '.[]' FILE > FILE.jsonl",
    )


# --- reading --------------------------------------------------------------------


def read_file(
    file: InputFile,
    kind: Format,
    binary: BinaryIO,
    findings: Findings,
    score: Score,
    vocabulary: str | None,
) -> Generator[Located]:
    """The texts of an open file in their order, each short enough to be tokenized at once.

    What has nothing to score is left out and counted in `findings`. Raises UsageError at the
    first thing that cannot be read.
    """
    match kind:
        case "plain text":
            yield from read_plain(binary, file.name)
            return
        case "transcript":
            found = read_saved(binary, file.name, score, vocabulary, findings)
        case _:
            found = _read_json(file, kind, binary, findings, score)
    for located in found:
        if has_text(located.content):
            yield from parts_of(located)
        else:
            findings.leave_out(located.place)


def _read_json(
    file: InputFile, kind: Format, binary: BinaryIO, findings: Findings, score: Score
) -> Iterator[Located]:
    try:
        with as_text(binary) as text:
            for number, line, value in _values(file, kind, text):
                where = f"{shown(file.name)}:{line}"
                shaped = recognise(value, where, score)
                if shaped is None:
                    raise unknown_shape(value, where)
                findings.shapes[shaped.shape] += 1
                what = "chat" if isinstance(shaped.content, Chat) else "text"
                place = f"line {line}" if kind == "JSON Lines" else f"{what} {number}"
                yield Located(place if number else "", line, shaped.content)
    except UnicodeDecodeError as error:
        raise undecodable(binary, file.name) from error


def _values(file: InputFile, kind: Format, text: TextIO) -> Iterator[JsonValue]:
    if kind == "JSON Lines":
        return json_lines(text, file.name)
    return json_file(text.read(), file.name)


# --- words ----------------------------------------------------------------------


def kind_in_words(file: InputFile, kind: Format, head: bytes, findings: Findings) -> str:
    """What a file was taken for: `plain text`, `JSON Lines: 12 × messages, 3 × text`."""
    if kind == "plain text":
        shape = "JSON of no known shape" if file.ending == JSON_ENDING else ""
        return ", ".join(filter(None, ("plain text", shape, encoding_of(head).words)))
    counts = ", ".join(f"{number:,} × {shape}" for shape, number in findings.shapes.items())
    return f"{kind}: {counts}"

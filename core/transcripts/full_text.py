"""Everything that was said in a transcript, read fast enough to search a folder of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.transcripts.document_line import (
    START,
    DocumentLine,
    document_line,
    json_string,
)
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.core.transcripts.reply_parts import ReplyParts

MOST_BYTES = 1 << 28
"""What is read of one file: the steps of about 150,000 tokens."""

LINE_BYTES = 1 << 20

# The fields of a step up to `special`; the candidates after them are most of the line.
_STEP = re.compile(
    rb'\{"type":"step","reply":("(?:[^"\\]|\\.)*"),"index":\d+,"alpha":[^,]*,"token":\d+,'
    rb'"text":("(?:[^"\\]|\\.)*"),"bytes":(null|"[0-9a-f]*"),"special":(true|false)[,}]'
)


class _Token(NamedTuple):
    reply: str
    text: str
    bytes: str | None
    special: bool


def texts(path: Path) -> list[str]:
    """The texts of all messages and documents, then of all replies; none if unreadable."""
    said: list[str] = []
    documents: set[str] = set()
    streams: dict[str, ReplyParts] = {}
    replies: dict[str, list[str]] = {}
    try:
        with path.open("rb") as file:
            for found in _found(file):
                if isinstance(found, str):
                    said.append(found)
                elif isinstance(found, DocumentLine):
                    said += filter(None, (found.source, found.place, found.text))
                    documents.add(found.id)
                elif found.reply not in documents:  # their tokens are in their text
                    stream = streams.setdefault(found.reply, ReplyParts())
                    replies.setdefault(found.reply, []).append(stream.add(found))
    except OSError:
        return []
    return [*said, *map("".join, replies.values())]


def _found(file: BinaryIO) -> Iterator[str | DocumentLine | _Token | Step]:
    """Messages, documents and tokens, in their order."""
    left = MOST_BYTES
    while left > 0 and (line := file.readline(LINE_BYTES)):
        left -= len(line)
        if match := _STEP.match(line):
            yield _token(match)
        elif line.startswith(START):
            if not line.endswith(b"\n"):
                line += file.readline(max(0, left))
                left -= max(0, len(line) - LINE_BYTES)
            if document := document_line(line):
                yield document
        elif line.startswith((b'{"type":"message"', b'{"type": "')):  # the latter: rare, escaped
            record = from_line(line)
            if isinstance(record, Message):
                yield record.text
            elif isinstance(record, Step):
                yield record


def _token(match: re.Match[bytes]) -> _Token:
    reply, text, data, special = match.groups()
    hexadecimal = None if data == b"null" else data[1:-1].decode()
    return _Token(json_string(reply), json_string(text), hexadecimal, special == b"true")

"""The line of a document in a transcript, read without its tokens: it may be very long."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

START = b'{"type":"document"'

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_LINE = re.compile(
    START + b',"id":(%b),"source":(%b),"place":(%b),"line":\\d+,"text":(%b)?' % ((_STRING,) * 4)
)


class DocumentLine(NamedTuple):
    """A document's id, where it is from, and its text; "" if the line is cut before its end."""

    id: str
    source: str
    place: str
    text: str

    @property
    def title(self) -> str:
        """Its file, and which of its texts it is; else the beginning of its text."""
        return f"{self.source} {self.place}".strip() or " ".join(self.text[:200].split())


def document_line(line: bytes) -> DocumentLine | None:
    """What a line says of a document; None if it is another record's."""
    match = _LINE.match(line)
    return (
        DocumentLine(*(json_string(found or b'""') for found in match.groups())) if match else None
    )


def json_string(quoted: bytes) -> str:
    """A JSON string; most have no escape."""
    if b"\\" not in quoted:
        return quoted[1:-1].decode("utf-8", "replace")
    try:
        return str(json.loads(quoted))
    except ValueError:  # in a damaged file
        return quoted[1:-1].decode("utf-8", "replace")

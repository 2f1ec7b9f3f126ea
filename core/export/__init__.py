"""Exports transcripts as text, Markdown, an HTML page, or JSON that keeps everything."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.transcripts.jsonl import is_unreadable, read_lines, read_records

Format = Literal["html", "md", "txt", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)


def format_of(path: Path) -> Format | None:
    """The format that a file's ending says; None for any other ending."""
    ending = path.suffix.lower().removeprefix(".")
    return next((known for known in FORMATS if known == ending), None)


def export(path: Path, to: Format) -> str:
    """The transcript at `path` as one document.

    Raises TranscriptError if it is no transcript or an empty one.
    """
    records = read_records(path)
    if all(map(is_unreadable, records)):
        raise TranscriptError(
            f"{path} has no records: there is nothing to export.", "Choose another transcript."
        )
    if to == "json":
        return to_json(read_lines(path))
    if to == "html":
        from logit_amp_chat.core.export.html import to_html

        return to_html(records)
    from logit_amp_chat.core.export.markdown import to_document

    return to_document(records, markdown=to == "md")


def to_json(lines: Iterable[str]) -> str:
    """One JSON object with the lines of a transcript as they are in the file."""
    records = ",\n".join(lines)
    return f'{{"format": "logit-amp-chat", "version": 1, "records": [\n{records}\n]}}\n'

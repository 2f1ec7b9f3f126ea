"""Transcripts as documents: text, Markdown, a page to look at, and JSON that loses nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.transcripts.jsonl import is_unreadable, read_lines, read_records

Format = Literal["html", "md", "txt", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)


def export(path: Path, to: Format) -> str:
    """The transcript at `path` as one document.

    Raises TranscriptError where there is no transcript, or nothing in it.
    """
    records = read_records(path)
    if all(map(is_unreadable, records)):
        raise TranscriptError(
            f"{path} holds no record: there is nothing to export.", "Choose another transcript."
        )
    if to == "json":
        return to_json(read_lines(path))
    if to == "html":
        from logit_amp_chat.core.export.html import to_html

        return to_html(records)
    from logit_amp_chat.core.export.markdown import to_document

    return to_document(records, markdown=to == "md")


def to_json(lines: Iterable[str]) -> str:
    """The lines of a transcript in one JSON object, each as it is in the file."""
    records = ",\n".join(lines)
    return f'{{"format": "logit-amp-chat", "version": 1, "records": [\n{records}\n]}}\n'

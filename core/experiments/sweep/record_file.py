"""An append-only file of records in the folder of a sweep: one writer, saved as they come."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.records import Unknown
from logit_amp_chat.core.transcripts.jsonl import from_line, is_unreadable
from logit_amp_chat.core.transcripts.writer import Transcript

LINE_BYTES = 1 << 26
REMEDY = "Choose another folder with --out."


class RecordFile:
    """A file whose lines are records of type `kind`, with the guarantees of a transcript."""

    def __init__(self, path: Path, kind: str) -> None:
        """Go on with a file, or begin it.

        Raises UsageError where it cannot be written or has something else in it.
        """
        self.path = path
        self.kind = kind
        self.damaged = 0
        """Lines that could not be read, as the last one after a kill."""
        self._writer = _writer(path)
        try:
            next(self.read(), None)
        except BaseException:
            self._writer.abandon()
            raise

    def read(self) -> Iterator[dict[str, Any]]:
        """The fields of every record, in their order. Raises UsageError for another file."""
        self.damaged = 0
        begun = False
        with self.path.open("rb") as file:
            while line := file.readline(LINE_BYTES):
                record = from_line(line)
                if isinstance(record, Unknown) and record.type == self.kind:
                    begun = True
                    yield record.fields
                elif begun or is_unreadable(record):
                    self.damaged += bool(line.strip())
                else:
                    raise UsageError(
                        f"{shown(self.path)} has something else in it than records of type"
                        f" {self.kind}.",
                        f"{REMEDY} Nothing was changed in this file.",
                    )

    def append(self, fields: Mapping[str, Any]) -> None:
        """Write a record; it is on the disk when this returns. Raises TranscriptError."""
        try:
            self._writer.append(Unknown(type=self.kind, fields=dict(fields)))
        except TranscriptError as error:
            raise TranscriptError(error.message, REMEDY) from error

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._writer.close()


def _writer(path: Path) -> Transcript:
    try:
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        return Transcript.reopen(path)
    except OSError as error:
        raise UsageError(f"Cannot write {shown(path)}: {error.strerror}.", REMEDY) from error
    except TranscriptError as error:
        raise UsageError(
            f"Cannot go on with {shown(path)}: it is no file, or another logit-amp-chat writes it.",
            REMEDY,
        ) from error

"""An append-only file of records of an experiment: one writer, saved as they come."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.records import Unknown
from logit_amp_chat.core.transcripts.jsonl import from_line, is_unreadable
from logit_amp_chat.core.transcripts.writer import Transcript

LINE_BYTES = 1 << 26


class FileKind(NamedTuple):
    """What records a file has, in the words of messages, and what to do about another one.

    Its records are of type `record` (None: of any); with a `header` the first one is of that
    type.
    `experiment` is what writes it, as in "a search", and `what` what it has, as in "results".
    """

    record: str | None
    experiment: str
    what: str
    remedy: str
    header: str | None = None


class RecordFile:
    """A file of one kind, with the guarantees of a transcript."""

    def __init__(self, path: Path, kind: FileKind) -> None:
        """Go on with a file, or begin it. Raises UsageError where it cannot be written."""
        self.path = path
        self.kind = kind
        self.damaged = 0
        """Lines that could not be read, as the last one after a kill, since reading began."""
        self._writer = _writer(path, kind)

    def read(self) -> Iterator[dict[str, Any]]:
        """The records in their order, the header first, with their `type`.

        Raises UsageError for a file that has something else in it.
        """
        self.damaged = 0
        for fields in read_records(self.path, self.kind):
            if fields is None:
                self.damaged += 1
            else:
                yield fields

    def load(self) -> list[dict[str, Any]]:
        """All records; where that fails, the file is let go. Raises as `read` does."""
        try:
            return list(self.read())
        except BaseException:
            self.abandon()
            raise

    def append(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Write a record; it is on the disk when this returns. Raises TranscriptError."""
        with self._remedied():
            self._writer.append(Unknown(type=kind, fields=dict(fields)))

    def close(self) -> None:
        """Write what is left and close the file; closing twice is fine. As `append`."""
        with self._remedied():
            self._writer.close()

    def abandon(self) -> None:
        """Close the file without writing anything."""
        self._writer.abandon()

    @contextlib.contextmanager
    def _remedied(self) -> Iterator[None]:
        """An error of the writer, with what to do about it here."""
        try:
            yield
        except TranscriptError as error:
            raise TranscriptError(error.message, f"{self.kind.remedy}.") from error


def read_records(path: Path, kind: FileKind) -> Iterator[dict[str, Any] | None]:
    """The records of a file in their order, with their `type`; None for a line that is damaged.

    Raises UsageError for a file that has something else in it, OSError for one that cannot be
    read.
    """
    begun = False
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES):
            record = from_line(line)
            expected = kind.record if begun else kind.header or kind.record
            known = isinstance(record, Unknown) and not is_unreadable(record)
            if isinstance(record, Unknown) and known and record.type == (expected or record.type):
                begun = True
                yield {"type": record.type, **record.fields}
            elif begun or (is_unreadable(record) and _may_be_torn(line, kind)):
                if line.strip():
                    yield None
            elif line.strip():
                raise UsageError(
                    f"{shown(path)} has something else in it than the {kind.what} of"
                    f" {kind.experiment}.",
                    f"{kind.remedy}; nothing was changed in this one.",
                )


def _may_be_torn(line: bytes, kind: FileKind) -> bool:
    """Whether a first line that cannot be read may be ours: a header begins as headers do."""
    if kind.header is None:
        return True
    begins = json.dumps({"type": kind.header}).encode()[:-1]
    return line.rstrip(b"\n")[: len(begins)] == begins[: len(line.rstrip(b"\n"))]


def _writer(path: Path, kind: FileKind) -> Transcript:
    try:
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        return Transcript.reopen(path)
    except OSError as error:
        raise UsageError(
            f"Cannot write {shown(path)}: {error.strerror}.", f"{kind.remedy}."
        ) from error
    except TranscriptError as error:
        other = kind.experiment.removeprefix("a ")
        raise UsageError(
            f"Cannot go on with the {kind.what} in {shown(path)}: it is no file, or another {other}"
            " writes it.",
            f"{kind.remedy}.",
        ) from error

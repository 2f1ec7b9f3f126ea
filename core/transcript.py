"""The file of a conversation: append-only, one JSON object a line, safe against a cut."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from logit_amp_chat.core.errors import ReadOnlyError, TranscriptError
from logit_amp_chat.core.records import Known, Record, Step, Unknown, new_id

SYNC_SECONDS = 1.0
UNREADABLE = "unreadable"
"""Type of the `Unknown` that stands for a line that is no record."""

# What a file says that may be read and not changed.
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)

# How every line begins.
_BEGINNING = b'{"type":'

# JSON has no infinities: log 0 is written as the string "-Infinity" and read back as a number.
_KNOWN: TypeAdapter[Known] = TypeAdapter(
    Annotated[Known, Field(discriminator="type")],
    config=ConfigDict(ser_json_inf_nan="strings"),
)


def default_folder() -> Path:
    """Where conversations are saved unless the user says otherwise."""
    return platformdirs.user_data_path("logit-amp-chat") / "transcripts"


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
    """The record of one line; whatever is not one comes back as `Unknown`, never dropped."""
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
    with contextlib.suppress(ValidationError):  # escaped surrogates: only Python reads them
        return _KNOWN.validate_python(data)
    return Unknown(type=data.pop("type"), fields=data)


def _unreadable(line: str | bytes) -> Unknown:
    text = line if isinstance(line, str) else line.decode("utf-8", "replace")
    return Unknown(type=UNREADABLE, fields={"line": text})


# --- reading --------------------------------------------------------------------


def read_records(path: Path, *, torn: bool = False) -> list[Record]:
    """All records of a transcript, in order.

    Lines of a later version and damaged ones come back as `Unknown`; a last one
    that was cut off, as a kill may leave it, only with `torn`. Raises
    TranscriptError for a file that cannot be read or is no transcript.
    """
    data = _read(path)
    records = [from_line(line) for line in data.split(b"\n") if line.strip()]
    if data.strip() and not _looks_like_transcript(records, data):
        raise TranscriptError(
            f"{path} is not a transcript: none of its lines is a record of one.",
            "Choose a .jsonl file that logit-amp-chat wrote.",
        )
    if not torn and data.rpartition(b"\n")[2].strip() and is_unreadable(records[-1]):
        records.pop()
    return records


def read_lines(path: Path) -> list[str]:
    """Every line of a transcript as standard JSON, the cut one included.

    A record is left as it stands in the file, with whatever a later version put
    into it; a line that is no record becomes one of type `unreadable`. Raises
    TranscriptError for a file that cannot be read.
    """
    return [_as_json(line) for line in _read(path).split(b"\n") if line.strip()]


def _as_json(line: bytes) -> str:
    with contextlib.suppress(UnicodeDecodeError):
        if _is_json_object(text := line.decode().strip()):
            return text
    # A byte order mark or surrogates as bytes: read all the same, and JSON once escaped.
    text = to_line(from_line(line))
    return text if _is_json_object(text) else to_line(_unreadable(line))


def _is_json_object(text: str) -> bool:
    """Whether this is standard JSON: no NaN and the like, which only Python writes."""
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
    """Some line is a record, or all there is is a first line that was begun and cut off."""
    begun = data.strip()
    if all(map(is_unreadable, records)):
        return b"\n" not in begun and begun[: len(_BEGINNING)] == _BEGINNING[: len(begun)]
    return True


# --- writing --------------------------------------------------------------------


class Transcript:
    """The one writer of a file.

    Every record is handed to the system at once, and forced to the disk unless
    it is a step; steps at least once a second. What the disk refuses is kept and
    written before anything later, so a full disk loses nothing that a later
    `append` can still save. Safe to call from several threads.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take over an open descriptor; use `create` or `resume`."""
        self.path = path
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._unwritten = bytearray()
        self._torn = False  # whether the last line in the file was cut off
        self._synced = time.monotonic()

    @classmethod
    def create(cls, folder: Path) -> Transcript:
        """A new file in `folder`, which is made (0700) when missing.

        Raises TranscriptError when that cannot be done.
        """
        path = new_path(folder)
        with _explained(f"Cannot save the conversation in {folder}"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        _lock_file(path, descriptor)
        return cls(path, descriptor)

    @classmethod
    def reopen(cls, path: Path) -> Transcript:
        """The writer of an existing file, which is not read.

        A line that was cut off is closed, not removed. Raises TranscriptError
        when the file cannot be written: ReadOnlyError when it has a writer or
        may not be changed.
        """
        with _explained(f"Cannot continue the transcript {path}"):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            _lock_file(path, descriptor)
        except TranscriptError:
            os.close(descriptor)
            raise
        transcript = cls(path, descriptor)
        transcript._torn = not _ends_with_newline(path)
        return transcript

    @classmethod
    def resume(cls, path: Path) -> tuple[Transcript, list[Record]]:
        """Go on with an existing file: its writer and what it holds so far.

        Raises TranscriptError as `reopen` does, and when it is no transcript.
        """
        transcript = cls.reopen(path)
        try:
            return transcript, read_records(path)
        except TranscriptError:
            transcript.abandon()
            raise

    def abandon(self) -> None:
        """Let the file go as it is."""
        os.close(self._descriptor)
        self._descriptor = -1

    def append(self, record: Record) -> None:
        """Write a record. Raises TranscriptError; the record is kept for the next attempt."""
        line = to_line(record).encode() + b"\n"
        with self._lock:
            self._unwritten += b"\n" + line if self._torn else line
            self._torn = False
            self._write(sync=not isinstance(record, Step))

    def retry(self) -> None:
        """Write what could not be written before. Raises TranscriptError."""
        with self._lock:
            self._write(sync=True)

    @property
    def unwritten(self) -> int:
        """Bytes that the disk has not taken yet."""
        return len(self._unwritten)

    def close(self) -> None:
        """Write what is left and let the file go; closing twice is fine."""
        with self._lock:
            if self._descriptor < 0:
                return
            try:
                self._write(sync=True)
            finally:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, *, sync: bool) -> None:
        if self._descriptor < 0:
            raise TranscriptError(f"The transcript {self.path} is closed.")
        with _explained(f"Cannot write to the transcript {self.path}"):
            while self._unwritten:
                written = os.write(self._descriptor, self._unwritten)
                del self._unwritten[:written]
            now = time.monotonic()
            if sync or now - self._synced >= SYNC_SECONDS:
                os.fsync(self._descriptor)
                self._synced = now


def new_path(folder: Path) -> Path:
    """Where a new conversation is saved: a name that sorts by time and is not taken."""
    return folder / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{new_id('chat')}.jsonl"


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _lock_file(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ReadOnlyError(
            f"The transcript {path} is being written by another logit-amp-chat.",
            "Close that one first, or copy the file and continue the copy.",
        ) from None
    except OSError:
        pass  # a file system without locks


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """An OSError as one sentence with a way out."""
    try:
        yield
    except OSError as error:
        remedy = (
            "Free some space on that disk."
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "Choose another folder with --transcripts."
        )
        kind = ReadOnlyError if error.errno in _FORBIDDEN else TranscriptError
        raise kind(f"{what}: {error.strerror}.", remedy) from error

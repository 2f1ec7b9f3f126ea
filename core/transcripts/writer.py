"""Writes a transcript: append-only, durable, one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import platformdirs

from logit_amp_chat.core.errors import ReadOnlyError, TranscriptError
from logit_amp_chat.core.records import Record, Step, new_id
from logit_amp_chat.core.transcripts.jsonl import read_records, to_line
from logit_amp_chat.core.transcripts.written_files import announce

SYNC_SECONDS = 1.0

# Errors of a file that may be read but not written.
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def default_folder() -> Path:
    """Where conversations are saved by default."""
    return platformdirs.user_data_path("logit-amp-chat") / "transcripts"


class Transcript:
    """The only writer of a file.

    Every record is written at once, and synced unless it is a step; steps are
    synced once a second. What the disk refuses is kept and written before
    anything later, so a full disk loses nothing that a later `append` can save.
    Thread-safe.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take over an open descriptor; use `create` or `resume`."""
        self.path = path
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._unwritten = bytearray()
        self._torn = False  # whether the last line of the file was cut off
        self._synced = time.monotonic()
        self._announced = False

    @classmethod
    def create(cls, folder: Path) -> Transcript:
        """Create a file in `folder`, which is made (0700) if missing. Raises TranscriptError."""
        path = new_path(folder)
        with _explained(f"Cannot save the conversation in {folder}"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        _lock_file(path, descriptor)
        return cls(path, descriptor)

    @classmethod
    def reopen(cls, path: Path) -> Transcript:
        """Append to an existing file without reading it.

        A line that was cut off is ended, not removed. Raises TranscriptError:
        ReadOnlyError if another process writes the file or it may not be changed.
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
        """Continue an existing file: its writer and its records so far.

        Raises TranscriptError as `reopen` does, and if it is no transcript.
        """
        transcript = cls.reopen(path)
        try:
            return transcript, read_records(path)
        except TranscriptError:
            transcript.abandon()
            raise

    def abandon(self) -> None:
        """Close the file without writing anything."""
        os.close(self._descriptor)
        self._descriptor = -1

    def append(self, record: Record) -> None:
        """Write a record. Raises TranscriptError, but keeps the record for the next attempt."""
        line = to_line(record).encode() + b"\n"
        if not self._announced:
            self._announced = True
            announce(self.path)
        with self._lock:
            self._unwritten += b"\n" + line if self._torn else line
            self._torn = False
            self._write(sync=not isinstance(record, Step))

    def retry(self) -> None:
        """Write what could not be written. Raises TranscriptError."""
        with self._lock:
            self._write(sync=True)

    @property
    def unwritten(self) -> int:
        """Bytes that the disk has not taken yet."""
        return len(self._unwritten)

    def close(self) -> None:
        """Write what is left and close the file; closing twice is fine."""
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
    """A new file name in `folder` that sorts by time and is not taken."""
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
    """Turn an OSError into a TranscriptError with a remedy."""
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

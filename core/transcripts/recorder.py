"""Saves a chat as it happens, and reports when the disk refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from logit_amp_chat.core.config.folders import makeshift_home, temporary_folder
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.writer import Transcript, default_folder


class Recorder:
    """The transcript of one chat, created with its first message.

    Records that come before there is a file are kept and written first. When
    something cannot be written, `trouble` is called, once for each new reason,
    and the chat goes on. Safe to call from the engine's reader thread.
    """

    def __init__(self, folder: Path, trouble: Callable[[TranscriptError], None]) -> None:
        self.folder = folder
        self._trouble = trouble
        self._transcript: Transcript | None = None
        self._backlog: list[Record] = []
        self._lock = threading.RLock()
        self._last_trouble = ""
        self._begun = False
        self._read: Path | None = None
        self.read_only: TranscriptError | None = None
        """Why nothing is written to the file; None if it may be written."""

    @property
    def path(self) -> Path | None:
        """The file, once there is one."""
        return self._transcript.path if self._transcript else self._read

    @property
    def saved(self) -> bool:
        """Whether every record is in the file."""
        return self._transcript is not None and not self._transcript.unwritten and not self._backlog

    @property
    def asked(self) -> bool:
        """Whether there is anything to save yet."""
        return self._begun

    def append(self, record: Record) -> None:
        """Save a record; before `begin`, keep it."""
        with self._lock:
            if self.read_only is not None:
                self._trouble(self.read_only)
                return
            if self._transcript is None:
                self._backlog.append(record)
                return
            try:
                self._transcript.append(record)
                self._last_trouble = ""
            except TranscriptError as error:
                self._report(error)

    def begin(self) -> None:
        """Create the file, unless there is one, and write what was kept.

        If that fails in the folder, the default folder and the temporary one are tried.
        """
        with self._lock:
            self._begun = True
            if self._transcript is not None or self.read_only is not None:
                return
            if (transcript := self._create()) is None:
                return
            self._transcript = transcript
            waiting, self._backlog = self._backlog, []
            for record in waiting:
                self.append(record)

    def _create(self) -> Transcript | None:
        refusal: TranscriptError | None = None
        for folder in self._folders():
            try:
                transcript = Transcript.create(folder)
            except TranscriptError as error:
                refusal = refusal or error
                continue
            if refusal is not None:
                self._report(TranscriptError(refusal.message, f"It is saved in {folder} instead."))
                self.folder = folder
            elif makeshift_home() is not None and folder == default_folder():
                where = f"This chat is saved in {folder}."
                self._report(TranscriptError("There is no home folder.", where))
            return transcript
        assert refusal is not None
        self._report(refusal)
        return None

    def _folders(self) -> Iterator[Path]:
        yield self.folder
        yield default_folder()
        if (temporary := temporary_folder()) is not None:
            yield temporary

    def save(self) -> bool:
        """Try again to write what is missing. Whether the file is complete now."""
        with self._lock:
            if not self._begun:
                return True
            self.begin()
            if self._transcript is not None:
                try:
                    self._transcript.retry()
                except TranscriptError as error:
                    self._report(error)
            return self.saved

    def go_on(self, transcript: Transcript) -> None:
        """Append to an existing file from now on."""
        with self._lock:
            self.close()
            self._transcript = transcript
            self._begun = True

    def only_read(self, path: Path, why: TranscriptError) -> None:
        """Show a file without writing to it."""
        with self._lock:
            self.close()
            self._read, self.read_only = path, why

    def close(self) -> None:
        """Write what is left and close the file; the next `begin` creates another."""
        with self._lock:
            transcript, self._transcript = self._transcript, None
            self._backlog = []
            self._begun = False
            self._last_trouble = ""
            self._read = self.read_only = None
            if transcript is not None:
                try:
                    transcript.close()
                except TranscriptError as error:
                    self._report(error)

    def _report(self, error: TranscriptError) -> None:
        if error.message != self._last_trouble:
            self._last_trouble = error.message
            self._trouble(error)

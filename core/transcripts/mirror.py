"""Copies every file that is written to another place, in the background."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from logit_amp_chat.core.transcripts.mirror_target import LIMIT_SECONDS, MirrorError, MirrorTarget
from logit_amp_chat.core.transcripts.written_files import listening

LOOK_SECONDS = 0.25
QUIET_SECONDS = 0.5
"""A file that did not change for so long is sent: a message was said, a reply has ended."""
BUSY_SECONDS = 30.0
"""A file that changes all the time is sent so long after it first differed."""
REST = 4.0
"""After a file nothing is sent for that many times as long as it took, at most BUSY_SECONDS."""
PAUSES = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds until the next attempt after so many failures in a row."""
STOP_SECONDS = 2.0
"""More than it takes to end a command."""


@dataclass(frozen=True)
class Unmirrored:
    """What was written could not be mirrored: why, and what comes of it."""

    message: str
    remedy: str


@dataclass(frozen=True)
class Mirrored:
    """A file was mirrored; `failure` is what was said before, where nothing fails any more."""

    failure: Unmirrored | None


Stamp = tuple[int, int, int]


@dataclass
class _File:
    """A file that is watched. Times are of the monotonic clock, in seconds."""

    path: Path
    name: str
    sent: Stamp | None = None
    seen: Stamp | None = None
    changed: float = 0.0  # when `seen` changed
    differs: float = 0.0  # since when the target has not what is there
    failed: bool = False
    tried: int = 0  # in a row, without success

    def look(self, now: float) -> None:
        """See how the file is now; of one that was deleted there is nothing left to send."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.seen = self.sent
            return
        except OSError:
            return
        stamp = status.st_ino, status.st_size, status.st_mtime_ns
        if stamp != self.seen:
            if self.seen == self.sent:
                self.differs = now
            self.seen, self.changed = stamp, now

    @property
    def is_sent(self) -> bool:
        """Whether the target has it as it was seen last."""
        return self.seen == self.sent

    def is_due(self, now: float) -> bool:
        """Whether it is to be sent: a writer has come to rest, or writes for long."""
        quiet = now - self.changed >= QUIET_SECONDS or now - self.differs >= BUSY_SECONDS
        return not self.is_sent and quiet


class Mirror:
    """Sends every file that this process writes to a target, one at a time, as it is then.

    A thread looks at the files; no writer waits for it, and what it missed it sees later. What
    cannot be sent is tried again, with growing pauses. Thread-safe.
    """

    def __init__(self, target: MirrorTarget, folders: Sequence[Path] = ()) -> None:
        """Files in one of `folders` keep their names below it, others that of their folder."""
        self.target = target
        self._folders = tuple(folder.absolute() for folder in folders)
        self._files: dict[Path, _File] = {}
        self._news: list[Unmirrored | Mirrored] = []
        self._failure: Unmirrored | None = None
        self._succeeded: datetime | None = None
        self._condition = threading.Condition()
        self._stop = threading.Event()
        self._closing = False
        self._sending: tuple[_File, float] | None = None
        self._failures = 0
        self._next = 0.0
        self._listening = ExitStack()
        self._listening.enter_context(listening(self.watch))
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self._thread.start()

    # --- what there is to say -----------------------------------------------------

    @property
    def last_success(self) -> datetime | None:
        """When a file was last mirrored, local time."""
        return self._succeeded

    @property
    def failure(self) -> Unmirrored | None:
        """Why something is not mirrored now; None while nothing has failed."""
        return self._failure

    @property
    def waiting(self) -> tuple[Path, ...]:
        """The files that the target lacks, or has as they were earlier."""
        with self._condition:
            return tuple(file.path for file in self._files.values() if not file.is_sent)

    def take_news(self) -> Iterator[Unmirrored | Mirrored]:
        """What happened since the last call; a failure once, until it is over."""
        with self._condition:
            self._say_stuck()
            news, self._news = self._news, []
        yield from news

    # --- files ----------------------------------------------------------------------

    def watch(self, path: Path) -> None:
        """Mirror a file from now on."""
        path = path.absolute()
        with self._condition:
            if path not in self._files:
                self._files[path] = _File(path, self._name(path))
            self._files[path].look(time.monotonic())
            self._condition.notify_all()

    def _name(self, path: Path) -> str:
        for folder in self._folders:
            if path.is_relative_to(folder):
                return path.relative_to(folder).as_posix()
        # `out/sweep.jsonl` is the name of many: on other machines, in other folders.
        where = f"{socket.gethostname()}:{path.parent}".encode(errors="surrogateescape")
        parent = path.parent.name.lstrip("-") or "files"
        return f"{parent}-{hashlib.sha256(where).hexdigest()[:8]}/{path.name}"

    # --- the thread -------------------------------------------------------------------

    def _work(self) -> None:
        while (file := self._await_due()) is not None:
            began = time.monotonic()
            stamp = file.seen
            try:
                self.target.send(file.path, file.name, self._stop)
            except MirrorError as error:
                self._fail(file, error)
            else:
                self._succeed(file, stamp, time.monotonic() - began)

    def _await_due(self) -> _File | None:
        """The next file to send, once one is due; None when there is no more to do."""
        with self._condition:
            self._sending = None
            while not self._stop.is_set():
                now = time.monotonic()
                for file in self._files.values():
                    file.look(now)
                if (due := self._due(now)) is not None:
                    self._sending = due, now
                    return due
                if self._closing:
                    break
                self._condition.wait(LOOK_SECONDS if self._files else None)
            return None

    def _due(self, now: float) -> _File | None:
        """The file that waits longest and failed least; at the end each is tried once more."""
        if self._closing:
            waiting = [file for file in self._files.values() if not (file.is_sent or file.failed)]
        elif now < self._next:
            waiting = []
        else:
            waiting = [file for file in self._files.values() if file.is_due(now)]
        return min(waiting, key=lambda file: (file.tried, file.differs), default=None)

    def _succeed(self, file: _File, stamp: Stamp | None, seconds: float) -> None:
        now = time.monotonic()
        with self._condition:
            file.sent, file.differs, file.tried, file.failed = stamp, now, 0, False
            self._failures = 0
            self._next = now + min(REST * seconds, BUSY_SECONDS)
            self._succeeded = datetime.now()
            over = self._failure
            if any(one.failed for one in self._files.values()):
                over = None
            elif over is not None:
                self._failure = None
            self._news.append(Mirrored(over))

    def _fail(self, file: _File, error: MirrorError) -> None:
        with self._condition:
            file.tried += 1
            file.failed = True
            self._next = time.monotonic() + PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            self._report(error.message)

    def _report(self, message: str) -> None:
        if self._failure is None:
            self._failure = Unmirrored(
                message, "The next attempt follows by itself; the chat is saved here."
            )
            self._news.append(self._failure)

    def _say_stuck(self) -> None:
        """A file system that hangs raises nothing."""
        if self._sending is not None:
            seconds = time.monotonic() - self._sending[1]
            if seconds > LIMIT_SECONDS + 5:
                self._report(f"Cannot mirror to {self.target.title}: it does not answer.")

    # --- the end ----------------------------------------------------------------------

    def finish(self, seconds: float) -> bool:
        """Send what is left, each file once, and wait for at most `seconds`; whether it ended.

        May be called again, to wait longer.
        """
        self._listening.close()
        with self._condition:
            if not self._closing:
                self._closing = True
                for file in self._files.values():
                    file.failed = False
            self._condition.notify_all()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def close(self) -> tuple[Path, ...]:
        """End a command that still runs; returns the files that were not mirrored."""
        self.finish(0)
        self._stop.set()
        self._thread.join(STOP_SECONDS)
        return self.waiting

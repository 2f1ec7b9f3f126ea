"""Where files are mirrored to: a folder, or whatever a command reaches."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Protocol

from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.text import short_path, visible

LIMIT_SECONDS = 300.0
"""How long a command may take for one file."""
TERMINATE_SECONDS = 0.5
LAST_BYTES = 4096
MOST_SAID = 200
OFF = "off"
PLACEHOLDER = re.compile(r"\{file\}|\{name\}")


class MirrorError(TranscriptError):
    """A file could not be mirrored: why, in one sentence."""


class MirrorTarget(Protocol):
    """Takes files, one at a time."""

    @property
    def title(self) -> str:
        """What it is called in a sentence; safe to show."""

    def send(self, path: Path, name: str, stop: threading.Event) -> None:
        """Bring the file as it is now to the target, under a relative `name`.

        Ends early once `stop` is set. Raises MirrorError.
        """


def mirror_target(text: str, folder: Path) -> MirrorTarget | None:
    """The target that a setting names; None for `off`.

    A folder is relative to `folder`, and made if its name can only be that of a folder: with
    /, ~ or . in front. A command is split as a shell does, but run without one; {file} stands
    for the file, {name} for its name at the target, and without them the file comes last.
    Raises UsageError for what is neither.
    """
    text = text.strip()
    if text == OFF:
        return None
    path = folder / _expanded(text)
    if text and _is_folder(path):
        return FolderTarget(path)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise _neither(text, f"{error}".lower()) from None
    if words:
        words[0] = str(_expanded(words[0]))
        if shutil.which(words[0]):
            return CommandTarget(words)
    if text.startswith(("/", "~", ".")) and not _exists(path) and "{" not in text:
        return FolderTarget(path)
    raise _neither(text, "there is no such command here, and no such folder")


def _neither(text: str, why: str) -> UsageError:
    return UsageError(
        f"Cannot mirror to {visible(text, newlines=False)[:MOST_SAID] or 'nothing'}: {why}.",
        "Give a folder such as /mnt/chats, or a command such as"
        " rclone copyto {file} remote:chats/{name}; off mirrors nothing.",
    )


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL in the name
        return True


class FolderTarget:
    """A folder, perhaps on another file system; files are replaced in it, never deleted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._device: int | None = None  # of its file system, once it was there

    @property
    def title(self) -> str:
        """The folder."""
        return visible(short_path(self.folder), newlines=False)

    def send(self, path: Path, name: str, stop: threading.Event) -> None:
        """Copy the file completely or not at all. Raises MirrorError."""
        try:
            self._check_file_system()
            target = self.folder / name
            self._check_is_another(path, target)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._device is None:
                self._device = self.folder.stat().st_dev
            _keep_another(path, target)
            _copy(path, target)
        except OSError as error:
            raise MirrorError(
                f"Cannot mirror to {self.title}: {error.strerror or type(error).__name__}."
            ) from error

    def _check_file_system(self) -> None:
        """Raise MirrorError where the file system that was there is gone.

        What is written then would fill the disk below it, and be lost with the machine.
        """
        if self._device is None:
            return
        if nearest(self.folder).stat().st_dev != self._device:
            raise MirrorError(
                f"Cannot mirror to {self.title}: its file system is no longer mounted."
            )

    def _check_is_another(self, path: Path, target: Path) -> None:
        """Raise MirrorError where a file is to be mirrored to itself.

        Its writer goes on in what a copy would replace, and what it wrote would be lost.
        """
        if target.exists() and os.path.samestat(target.lstat(), path.lstat()):
            raise MirrorError(f"Cannot mirror to {self.title}: the files are written there.")


def nearest(folder: Path) -> Path:
    """A folder that is there: this one, or the first above it."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _keep_another(path: Path, target: Path) -> None:
    """Rename a file at the target that this one does not go on from: records are only added.

    It may be another sweep of the same name, or the same chat as it went on elsewhere.
    """
    if target.suffix != ".jsonl" or not target.exists() or _goes_on_from(path, target):
        return
    number = 1
    while (other := target.with_name(f"{target.stem}.{number}.jsonl")).exists():
        number += 1
    target.rename(other)


def _goes_on_from(path: Path, earlier: Path) -> bool:
    """Whether a file begins with all of another one, by the first and last bytes of that."""
    with path.open("rb") as ours, earlier.open("rb") as theirs:
        size = theirs.seek(0, os.SEEK_END)
        for place in (0, max(0, size - LAST_BYTES)):
            ours.seek(place)
            theirs.seek(place)
            part = theirs.read(LAST_BYTES)
            if ours.read(len(part)) != part:
                return False
    return True


def _copy(path: Path, target: Path) -> None:
    """Copy a file beside its place, sync it, and put it there."""
    part = target.with_name(f".{target.name[:200]}.part")  # one name: a kill leaves one at most
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with path.open("rb") as source, os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class CommandTarget:
    """A command that is run for every file, without a shell and without the terminal."""

    def __init__(self, words: list[str], limit: float = LIMIT_SECONDS) -> None:
        self._words = words
        self._limit = limit

    @property
    def title(self) -> str:
        """The command's name."""
        return visible(Path(self._words[0]).name, newlines=False)

    def send(self, path: Path, name: str, stop: threading.Event) -> None:
        """Run the command on a copy of the file, which does not grow meanwhile.

        Raises MirrorError with the last two lines that it wrote to stderr: the very last one often
        says no more than that there was an error (rsync, scp).
        """
        try:
            with (
                tempfile.TemporaryDirectory(prefix="logit-amp-mirror-") as folder,
                tempfile.TemporaryFile() as said,
            ):
                copy = Path(shutil.copy2(path, folder))
                self._run(self._filled(copy, name), said, stop)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise MirrorError(f"Cannot mirror with {self.title}: {why}.") from error

    def _filled(self, path: Path, name: str) -> list[str]:
        values = {"{file}": str(path), "{name}": name}
        words = [PLACEHOLDER.sub(lambda it: values[it[0]], word) for word in self._words]
        return words if words != self._words else [*words, str(path)]

    def _run(self, words: list[str], said: IO[bytes], stop: threading.Event) -> None:
        # In a session of its own it cannot ask for a password on the terminal, and can be
        # ended with all that it started.
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        why = _waited(process, self._limit, stop)
        if why is None and process.returncode == 0:
            return
        why = why or _last_lines(said) or _ending(process.returncode)
        raise MirrorError(f"Cannot mirror with {self.title}: {why.rstrip('.')}.")


def _waited(process: subprocess.Popen[bytes], limit: float, stop: threading.Event) -> str | None:
    """Wait for the end, or end it. Why it was ended; None if it ended by itself."""
    end = time.monotonic() + limit
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            return None
        if stop.is_set() or time.monotonic() >= end:
            break
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATE_SECONDS)
    return "it was not done in time" if stop.is_set() else f"it did not end within {limit:g} s"


def _last_lines(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - LAST_BYTES))
    lines = said.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
    last = [line.strip() for line in lines if line.strip()][-2:]
    return visible("; ".join(last), newlines=False)[:MOST_SAID]


def _ending(code: int) -> str:
    return f"it was killed by signal {-code}" if code < 0 else f"it ended with exit code {code}"

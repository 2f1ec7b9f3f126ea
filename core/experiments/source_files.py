"""Finds the files that paths name: files, the texts of folders, and standard input."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown, some

STDIN = "-"
_PIECE = 1 << 20


@dataclass(frozen=True)
class InputFile:
    """A file to read; `is_named` says that the user named it, not the folder it is in.

    `copy` is where the text is that standard input had; of a file on disk `changed` is when
    it was changed last, in nanoseconds.
    """

    name: str
    size: int
    is_named: bool = True
    copy: BinaryIO | None = None
    changed: int | None = None

    def open(self) -> BinaryIO:
        """The file, from its beginning. Raises OSError."""
        if self.copy is None:
            return Path(self.name).open("rb")
        self.copy.seek(0)
        return os.fdopen(os.dup(self.copy.fileno()), "rb")

    @property
    def ending(self) -> str:
        """The end of its name in lower case: `.json`; "" for none."""
        return Path(self.name).suffix.lower()


@dataclass
class Found:
    """The files of some paths, in their order, and what was left out on the way."""

    files: list[InputFile] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def add(self, file: InputFile) -> None:
        """Add a file, unless it is there already."""
        real = STDIN if file.copy is not None else str(Path(file.name).resolve())
        if real in self._seen:
            self.repeated.append(file.name)
        else:
            self._seen.add(real)
            self.files.append(file)


def find_files(paths: Sequence[str | Path], stdin: BinaryIO | None) -> Found:
    """What the paths name. "-" is `stdin` (None: the process's own), which is read to its end.

    In folders hidden files and folders, links to folders and what is no file are left out.
    Raises UsageError for a path that cannot be read.
    """
    found = Found()
    for path in paths:
        name = str(path)
        if name == STDIN:
            found.add(_copy_of(stdin or sys.stdin.buffer))
        elif stat.S_ISDIR((status := _status(name)).st_mode):
            _add_folder(found, name)
        elif stat.S_ISREG(status.st_mode):
            found.add(InputFile(name, status.st_size, changed=status.st_mtime_ns))
        else:
            raise UsageError(f"{shown(name)} is no file.", "Send a pipe or a device into `-`.")
    if found.repeated:
        found.notices.append(f"Found more than once, read once: {some(found.repeated)}.")
    return found


def explained(name: str, error: OSError) -> UsageError:
    """The refusal of a path that the system does not let us read."""
    return UsageError(
        f"Cannot read {shown(name)}: {error.strerror or error}.",
        "Check the path and its permissions.",
    )


def _status(name: str) -> os.stat_result:
    try:
        return Path(name).stat()
    except OSError as error:
        raise explained(name, error) from error
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"{shown(name)} is no path.", "Check it.") from error


def _copy_of(stdin: BinaryIO) -> InputFile:
    """Standard input on disk: it is checked to its end before any of it is read."""
    try:
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the InputFile
        while piece := stdin.read(_PIECE):
            copy.write(piece)
        copy.flush()
    except OSError as error:
        raise UsageError(
            f"Cannot keep standard input in a temporary file: {error.strerror or error}.",
            "Make room in the temporary folder, or name another one with TMPDIR.",
        ) from error
    file = InputFile(STDIN, copy.tell(), copy=copy)
    weakref.finalize(file, copy.close)
    return file


def _add_folder(found: Found, folder: str) -> None:
    unread: list[OSError] = []
    others: list[str] = []
    hidden = 0
    for root, folders, files in os.walk(folder, onerror=unread.append):
        seen = sorted(name for name in folders if not name.startswith("."))
        kept = sorted(name for name in files if not name.startswith("."))
        hidden += len(folders) + len(files) - len(seen) - len(kept)
        folders[:] = seen  # the order in which they are walked
        others += (str(path) for path in (Path(root, name) for name in seen) if path.is_symlink())
        for path in (Path(root, name) for name in kept):
            if (status := _file_status(path)) is None:
                others.append(str(path))
            else:
                size, changed = status.st_size, status.st_mtime_ns
                found.add(InputFile(str(path), size, is_named=False, changed=changed))
    if unread and unread[0].filename == folder:
        raise explained(folder, unread[0])
    found.notices += _left_out(folder, hidden, others, unread)


def _file_status(path: Path) -> os.stat_result | None:
    """The status of a file, through links; None of what is no file."""
    with contextlib.suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            return status
    return None


def _left_out(
    folder: str, hidden: int, others: Sequence[str], unread: Sequence[OSError]
) -> Iterator[str]:
    if hidden:
        yield f"{shown(folder)}: hidden files and folders are left out: {hidden:,}."
    if others:
        yield f"Left out, no files or links to folders: {some(others)}."
    for error in unread:
        yield f"Left out, {error.strerror}: {shown(error.filename)}."

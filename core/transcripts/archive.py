"""Putting saved conversations in order: a title, a copy, away and back."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Title
from logit_amp_chat.core.transcripts.writer import Transcript, new_path

DELETED = "deleted"
"""Folder, beside the transcripts, of those that were deleted: nothing in it is lost."""


def rename(path: Path, title: str) -> None:
    """Call a saved conversation something; it counts as written when it was before.

    Raises TranscriptError while another writes it.
    """
    with _explained(f"Cannot rename {path.name}"):
        before = path.stat()
        _add_title(path, title)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def duplicate(path: Path, title: str) -> Path:
    """A copy of a saved conversation under another title; returns its file.

    Raises TranscriptError where it cannot be read or written.
    """
    copy = new_path(path.parent)
    part = copy.with_suffix(".part")
    with _explained(f"Cannot copy {path.name}"):
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as target, path.open("rb") as source:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
            part.rename(copy)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    _add_title(copy, title)
    return copy


def delete(path: Path) -> Path:
    """Put a saved conversation away; returns where `restore` finds it.

    Raises TranscriptError while another writes it.
    """
    away = path.parent / DELETED / path.name
    transcript = Transcript.reopen(path)
    try:
        with _explained(f"Cannot delete {path.name}"):
            away.parent.mkdir(mode=0o700, exist_ok=True)
            path.rename(away)
    finally:
        transcript.abandon()
    return away


def restore(away: Path) -> Path:
    """Bring back what `delete` put away; returns its file. Raises TranscriptError."""
    path = away.parent.parent / away.name
    if path.exists():
        raise TranscriptError(f"There is another {path.name} now.", f"The old one stays at {away}.")
    with _explained(f"Cannot bring back {away.name}"):
        away.rename(path)
    return path


def _add_title(path: Path, title: str) -> None:
    transcript = Transcript.reopen(path)
    try:
        transcript.append(Title(text=title))
    finally:
        transcript.close()


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TranscriptError(
            f"{what}: {error.strerror}.",
            "Check the folder's permissions and the space on its disk.",
        ) from error

"""The saved conversations of a folder: listed without reading them whole, and put in order."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from logit_amp_chat.core.config.profile import SUFFIXES
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Message, Session, Title
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.core.transcripts.writer import Transcript, new_path

HEAD_LINES = 64
HEAD_BYTES = 1 << 20
PREVIEW_BYTES = 1 << 19
TITLE_BYTES = 1 << 26  # 50 ms to look through
_USER = b'"role":"user"'
_TITLE = b'\n{"type":"title"'


@dataclass(frozen=True)
class SavedChat:
    """What a list says about one file; `problem` where it says nothing else."""

    path: Path
    changed: datetime
    size: int
    profile: str = ""
    first: str = ""
    title: str = ""
    problem: str = ""


def saved_chats(folder: Path) -> list[SavedChat]:
    """The transcripts in `folder`, last written first; those that cannot be read with the reason.

    Raises TranscriptError when the folder cannot be read; one that is not
    there holds nothing.
    """
    try:
        with os.scandir(folder) as entries:
            paths = [Path(entry.path) for entry in entries if entry.name.endswith(".jsonl")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TranscriptError(
            f"Cannot read the folder {folder}: {error.strerror}.",
            "Choose another folder with --transcripts.",
        ) from error
    chats = [_look_at(path) for path in paths]
    return sorted(chats, key=lambda chat: (chat.changed, chat.path.name), reverse=True)


def count_turns(path: Path) -> int:
    """How many user messages a transcript holds, 0 where it cannot be read.

    Quotes inside of strings are escaped in JSON, so that the bytes of the
    field are found without parsing a single step.
    """
    try:
        with path.open("rb") as file:
            return sum(_USER in line[:200] for line in file if line.startswith(b'{"type":"mess'))
    except OSError:
        return 0


def preview(path: Path) -> list[tuple[str, str]]:
    """How a transcript begins: role or lane, and text; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(PREVIEW_BYTES)
    except OSError:
        return []
    lines = head.split(b"\n")
    if len(head) == PREVIEW_BYTES:
        lines.pop()
    state = Conversation(from_line(line) for line in lines if line.strip())
    return [
        (item.role, item.text) if isinstance(item, Message) else (item.reply.lane, item.text)
        for item in state.thread()
    ]


def _look_at(path: Path) -> SavedChat:
    """The head of one file, with its session and its first user message, and its last title."""
    changed, size = datetime.fromtimestamp(0), 0
    try:
        status = path.stat()
        changed, size = datetime.fromtimestamp(status.st_mtime), status.st_size
        if not stat.S_ISREG(status.st_mode):
            return SavedChat(path, changed, size, problem="not a file")
        profile, first = _head(path)
        title = _title(path)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        return SavedChat(path, changed, size, problem=problem)
    problem = "" if first else "no message in it" if profile else "cut off, or not a transcript"
    return SavedChat(path, changed, size, profile, first, title, problem)


def _head(path: Path) -> tuple[str, str]:
    """Name of the profile and first user message, each "" where there is none.

    A message that was sent while the models were loading comes before the session.
    """
    profile = first = ""
    with path.open("rb") as file:
        for _ in range(HEAD_LINES):
            line = file.readline(HEAD_BYTES)
            if not line:
                break
            record = from_line(line)
            if isinstance(record, Session):
                profile = profile or _short(str(record.profile.get("name") or "?"))
            elif isinstance(record, Message) and record.role == "user":
                first = first or record.text
            if profile and first:
                break
    return profile, first


def _title(path: Path) -> str:
    """What the last title in the file says; no step is parsed to find it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return ""
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.rfind(_TITLE, max(0, size - TITLE_BYTES))
            if at < 0:
                return ""
            data.seek(at + 1)
            record = from_line(data.readline())
    return record.text if isinstance(record, Title) else ""


def _short(name: str) -> str:
    """The name of a profile; of one that was given as a file, the file's."""
    return Path(name).stem if name.endswith(SUFFIXES) else name


# --- putting in order ------------------------------------------------------------

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

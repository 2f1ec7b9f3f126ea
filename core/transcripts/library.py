"""Saved conversations in a folder: list them quickly, rename, copy, delete and restore them."""

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
from logit_amp_chat.core.records import Message, Session, Step, Title
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.document_line import document_line
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.core.transcripts.open_thread import open_messages, open_thread
from logit_amp_chat.core.transcripts.writer import Transcript, new_path

HEAD_LINES = 64
HEAD_BYTES = 1 << 20
TITLE_BYTES = 1 << 26  # searched in 50 ms
TITLE_CHARS = 80
_TITLE = b'\n{"type":"title"'
_ROOT = b',"parent":null,"role":"'


@dataclass(frozen=True)
class SavedChat:
    """One file in the list; `problem` says why its content is not shown."""

    path: Path
    changed: datetime
    size: int
    profile: str = ""
    first: str = ""
    title: str = ""
    problem: str = ""


def saved_chats(folder: Path) -> list[SavedChat]:
    """The transcripts in `folder`, last written first; unreadable ones with the reason.

    A missing folder is empty. Raises TranscriptError if it cannot be read.
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


def holds_texts(path: Path) -> bool:
    """Whether a file has texts that were read, and no chat; False where it cannot be read."""
    try:
        _, first, read = _head(path)
    except OSError:
        return False
    return bool(read) and not first


def preview(path: Path) -> list[tuple[str | float, str]]:
    """The open thread of a transcript as (role or α, text); empty if it cannot be read."""
    try:
        thread = open_thread(path)
    except OSError:
        return []
    return [
        (item.role, item.text) if isinstance(item, Message) else (item.reply.alpha, item.text)
        for item in thread
    ]


def _look_at(path: Path) -> SavedChat:
    """Profile, first user message and last title of one file."""
    changed, size = datetime.fromtimestamp(0), 0
    try:
        status = path.stat()
        changed, size = datetime.fromtimestamp(status.st_mtime), status.st_size
        if not stat.S_ISREG(status.st_mode):
            return SavedChat(path, changed, size, problem="not a file")
        profile, first, read = _head(path)
        title, edited = _found_in(path)
        if edited:
            thread = open_messages(path).thread()
            first = next(
                (m.text for m in thread if isinstance(m, Message) and m.role == "user"), first
            )
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        return SavedChat(path, changed, size, problem=problem)
    problem = "" if first else _why_not_shown(profile, read)
    return SavedChat(path, changed, size, profile, first, title, problem)


def _why_not_shown(profile: str, read: str) -> str:
    if read:
        return f"a text that was read: {visible(read[:TITLE_CHARS], newlines=False)}"
    return "no message in it" if profile else "cut off, or not a transcript"


def _head(path: Path) -> tuple[str, str, str]:
    """Name of the profile, first user message and first text that was read, "" for none.

    A message sent while the models load comes before the session. Where the first message is
    empty, a text goes on, and its beginning is what is given.
    """
    profile = first = read = given = reply = ""
    with path.open("rb") as file:
        for _ in range(HEAD_LINES):
            line = file.readline(HEAD_BYTES)
            if not line:
                break
            if document := document_line(line):
                read = read or document.title
                continue
            record = from_line(line)
            if isinstance(record, Session):
                profile = profile or _short(str(record.profile.get("name") or "?"))
            elif isinstance(record, Message) and record.role == "user":
                first = first or record.text
            elif isinstance(record, Step) and not read and record.reply == (reply or record.reply):
                reply, given = record.reply, given + record.text
            if profile and first:
                break
    return profile, first or given, read


def _found_in(path: Path) -> tuple[str, bool]:
    """The last title, and whether the first message has several versions; no line is parsed."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return "", False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            root = data.find(_ROOT, 0, TITLE_BYTES)
            edited = root >= 0 and data.find(_ROOT, root + 1, TITLE_BYTES) >= 0
            at = data.rfind(_TITLE, max(0, size - TITLE_BYTES))
            if at < 0:
                return "", edited
            data.seek(at + 1)
            record = from_line(data.readline())
    return record.text if isinstance(record, Title) else "", edited


def _short(name: str) -> str:
    """A profile's name; for one given as a file, the file's name."""
    return Path(name).stem if name.endswith(SUFFIXES) else name


# --- changing files -------------------------------------------------------------

DELETED = "deleted"
"""Subfolder that deleted transcripts are moved to, so that they can be restored."""


def rename(path: Path, title: str) -> None:
    """Give a saved conversation a title; its time of writing stays.

    Raises TranscriptError while another process writes it.
    """
    with _explained(f"Cannot rename {path.name}"):
        before = path.stat()
        _add_title(path, title)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def duplicate(path: Path, title: str) -> Path:
    """Copy a saved conversation under another title; returns the new file.

    Raises TranscriptError if it cannot be read or written.
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
    """Move a saved conversation to the folder of deleted ones; returns its new path.

    Raises TranscriptError while another process writes it.
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
    """Undo `delete`; returns the restored file. Raises TranscriptError."""
    path = away.parent.parent / away.name
    if path.exists():
        raise TranscriptError(
            f"A new {path.name} exists already.", f"The deleted one stays at {away}."
        )
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

"""The saved conversations of a folder, told apart without reading them whole."""

from __future__ import annotations

import mmap
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from logit_amp_chat.core.config.profile import SUFFIXES
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Message, Session, Title
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line

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

"""The saved conversations of a folder, told apart without reading them whole."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.errors import TranscriptError
from core.profile import SUFFIXES
from core.records import Message, Session
from core.transcript import from_line

HEAD_LINES = 64
HEAD_BYTES = 1 << 20
_USER = b'"role":"user"'


@dataclass(frozen=True)
class SavedChat:
    """What a list says about one file; `problem` where it says nothing else."""

    path: Path
    changed: datetime
    size: int
    profile: str = ""
    first: str = ""
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


def _look_at(path: Path) -> SavedChat:
    """The head of one file: its session and its first user message."""
    changed, size = datetime.fromtimestamp(0), 0
    try:
        status = path.stat()
        changed, size = datetime.fromtimestamp(status.st_mtime), status.st_size
        if not stat.S_ISREG(status.st_mode):
            return SavedChat(path, changed, size, problem="not a file")
        profile, first = _head(path)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        return SavedChat(path, changed, size, problem=problem)
    problem = "" if first else "no message in it" if profile else "cut off, or not a transcript"
    return SavedChat(path, changed, size, profile, first, problem)


def _head(path: Path) -> tuple[str, str]:
    """Name of the profile and first user message, each "" where there is none."""
    profile = ""
    with path.open("rb") as file:
        for _ in range(HEAD_LINES):
            line = file.readline(HEAD_BYTES)
            if not line:
                break
            record = from_line(line)
            if isinstance(record, Session):
                profile = _short(str(record.profile.get("name") or "?"))
            elif isinstance(record, Message) and record.role == "user":
                return profile, record.text
    return profile, ""


def _short(name: str) -> str:
    """The name of a profile; of one that was given as a file, the file's."""
    return Path(name).stem if name.endswith(SUFFIXES) else name

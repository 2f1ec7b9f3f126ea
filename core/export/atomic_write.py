"""Writes a file completely or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.transcripts.written_files import announce


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file atomically, readable by its owner only; a device or pipe is written directly.

    A link stays, and what it points to is replaced, or made. Raises TranscriptError.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data)
            announce(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, in Python 3.11
        why = error.strerror if isinstance(error, OSError) else "its links run in a circle"
        raise TranscriptError(
            f"Cannot write {path}: {why}.", "Choose another place with --out."
        ) from error


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

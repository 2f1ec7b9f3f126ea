"""Writes a file completely or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.transcripts.written_files import announce


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file atomically, readable by its owner only; a device or pipe is written directly.

    Raises TranscriptError.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(path, data)
            announce(path)
    except OSError as error:
        raise TranscriptError(
            f"Cannot write {path}: {error.strerror}.", "Choose another place with --out."
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

"""What a process has written to a file, without the line that it is in."""

from __future__ import annotations

from pathlib import Path


def whole_lines(path: Path) -> bytes:
    """The lines of a file that are complete; none where there is no file yet."""
    return path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""

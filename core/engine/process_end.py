"""What a process that was started here printed and used, and how it ended."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import IO

LAST_WORDS_BYTES = 2000
PRINTED_BYTES = 100_000


def scratch_file() -> IO[bytes]:
    """A file without a name: in memory where the system can, so that no folder is needed."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("engine-errors"), "w+b")
    return tempfile.TemporaryFile()


def death(name: str, exitcode: int, errors: IO[bytes]) -> str:
    """One sentence: how the process `name` ended, and the last line that it printed."""
    how = f"exit code {exitcode}"
    if exitcode < 0:
        how = signal.Signals(-exitcode).name
        if exitcode == -signal.SIGKILL:
            return f"{name} died ({how}: the machine may have run out of memory)."
    words = printed(errors)[-LAST_WORDS_BYTES:].strip().splitlines()
    said = f"{name} died ({how})"
    return f"{said}: {words[-1].strip()}." if words else f"{said}."


def printed(errors: IO[bytes]) -> str:
    """The last that was printed."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - PRINTED_BYTES))
    return errors.read().decode(errors="replace")


def seconds_of(pid: int) -> float:
    """The seconds of CPU time of a process and of all that it started; ended ones count nothing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        started = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(seconds_of(int(child)) for child in started)

"""A home and a temporary folder where there is none.

A container's user without an entry in passwd has no home; a read-only or full /tmp is no folder
for temporary files. What is found instead goes into the environment, where every library and the
engine process look.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

NOWHERE = Path("/nonexistent")
SHARED_MEMORY = Path("/dev/shm")

_makeshift: Path | None = None


def ensure_home() -> None:
    """Without a usable home, make one of the working directory, else of the temporary folder.

    Settings are read from /etc/xdg then: anybody may have made the files of such a folder.
    """
    global _makeshift
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where this does not
    # Docker gives users that it does not know the root folder.
    if Path(home).is_absolute() and (home != "/" or os.access(home, os.W_OK)):
        return
    usable = (folder for folder in _candidates() if os.access(folder, os.W_OK | os.X_OK))
    _makeshift = next(usable, NOWHERE)
    os.environ["HOME"] = str(_makeshift)
    os.environ.setdefault("XDG_CONFIG_HOME", "/etc/xdg")


def ensure_temporary_folder() -> None:
    """Where no temporary folder can be written, use shared memory, else the home folder.

    torch and transformers cannot be imported without one.
    """
    if temporary_folder() is not None:
        return
    for folder in (SHARED_MEMORY, Path.home()):
        tempfile.tempdir = None  # it remembers what it tried
        os.environ["TMPDIR"] = str(folder)
        if temporary_folder() is not None:
            return


def makeshift_home() -> Path | None:
    """The folder that `ensure_home` took; None if there is a home."""
    return _makeshift


def _candidates() -> Iterator[Path]:
    for find in (Path.cwd, temporary_folder):
        try:
            folder = find()
        except OSError:  # it was deleted
            continue
        if folder is not None:
            yield folder


def temporary_folder() -> Path | None:
    """Where temporary files may be written; None if nowhere."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None

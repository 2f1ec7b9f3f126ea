"""A home folder where there is none, as for a container's user without an entry in passwd."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

NOWHERE = Path("/nonexistent")

_makeshift: Path | None = None


def ensure_home() -> None:
    """Without a usable home, make one of the working directory, else of the temporary folder.

    It goes into the environment: every library and the engine process look for their folders
    there. Settings are read from /etc/xdg then, because anybody may have made a folder's files.
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

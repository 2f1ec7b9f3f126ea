"""A long prompt written in the user's own editor."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from logit_amp_chat.core.errors import UsageError

REMEDY = "Set EDITOR, for example with: export EDITOR=nano"


def edit(text: str) -> str:
    """What the user makes of `text` in $VISUAL, $EDITOR or vi, without its last line break.

    Waits until the editor ends; the terminal has to be free for it. Raises
    UsageError where there is no editor, or it failed.
    """
    command = editor()
    try:
        with tempfile.TemporaryDirectory(prefix="logit-amp-chat-") as folder:
            path = Path(folder) / "prompt.md"
            path.write_text(text, encoding="utf-8", errors="replace")
            with _interrupts_left_to_the_editor():
                code = subprocess.run([*command, str(path)]).returncode
            if code:
                raise UsageError(f"{command[0]} ended with code {code}; the message is unchanged.")
            return path.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
    except OSError as error:
        # only a temporary folder that cannot be had is missing without a name
        nowhere = error.errno == errno.ENOENT and error.filename is None
        remedy = "Set TMPDIR to a folder that can be written." if nowhere else REMEDY
        raise UsageError(f"Cannot edit with {command[0]}: {error.strerror}.", remedy) from error


def edit_in(app: App[Any], text: str) -> str:
    """What the user makes of `text` in an editor that has the terminal of a running app.

    Raises UsageError as `edit` does, and where the terminal cannot be handed over.
    """
    try:
        with app.suspend():
            edited = _attempt(text)  # Textual does not come back where this block raises
    except SuspendNotSupported as error:
        raise UsageError("This terminal cannot be handed to an editor.") from error
    if isinstance(edited, UsageError):
        raise edited
    return edited


def _attempt(text: str) -> str | UsageError:
    try:
        return edit(text)
    except UsageError as error:
        return error


def editor() -> list[str]:
    """The command of the user's editor, else vi. Raises UsageError where there is neither."""
    for name in ("VISUAL", "EDITOR"):
        if said := os.environ.get(name, "").strip():
            with contextlib.suppress(ValueError):  # an open quote
                return shlex.split(said)
            raise UsageError(f"{name} is no command: {said}", REMEDY)
    if vi := shutil.which("vi"):
        return [vi]
    raise UsageError("No editor is set, and vi is not installed.", REMEDY)


@contextlib.contextmanager
def _interrupts_left_to_the_editor() -> Iterator[None]:
    """ctrl+c in the editor also reaches this process, which must not end of it.

    A handler and not SIG_IGN, which the editor would inherit.
    """
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

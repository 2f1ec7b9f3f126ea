"""Copies what is saved to the place that a user names, here or in settings."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from logit_amp_chat.core.config.settings import read_settings, settings_path
from logit_amp_chat.core.experiments.sweep.library import sweeps_folder
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.core.transcripts.mirror import STOP_SECONDS, Mirror
from logit_amp_chat.core.transcripts.mirror_target import (
    FolderTarget,
    MirrorError,
    MirrorTarget,
    mirror_target,
    nearest,
)
from logit_amp_chat.core.transcripts.writer import default_folder

VARIABLE = "LOGIT_AMP_CHAT_MIRROR"
WAIT_SECONDS = 20.0
TRIAL = "logit-amp-chat-trial.txt"
TRIAL_SECONDS = 30.0


def chosen_target(named: str | None) -> MirrorTarget | None:
    """The target that was named, else that of the environment, else that of settings.yaml.

    Raises UsageError for one that is none.
    """
    if named := named or os.environ.get(VARIABLE):
        return mirror_target(named, Path.cwd())
    path = settings_path()
    setting = read_settings(path).mirror
    return mirror_target(setting, path.parent) if setting else None


def open_mirror(named: str | None, *transcripts: Path) -> Mirror | None:
    """Mirror what is written from now on; None where no target is chosen, or `off`.

    Files in `transcripts` and in the user's folders keep their names. Raises as `chosen_target`.
    """
    target = chosen_target(named)
    if target is None:
        return None
    return Mirror(target, (*transcripts, default_folder(), sweeps_folder()))


def not_mirrored(mirror: Mirror) -> str:
    """Close a mirror; one sentence about what it lacks, "" where it has everything."""
    if not (left := mirror.close()):
        return ""
    names = ", ".join(visible(short_path(path), newlines=False) for path in left)
    why = mirror.failure.message if mirror.failure else "There was no time to mirror it."
    return f"NOT MIRRORED: {names}. {why}"


@contextlib.contextmanager
def mirror(target: str | None = None) -> Iterator[None]:
    """Copy every file that is written meanwhile to `target`: a folder, or a command.

    Without a target the one of LOGIT_AMP_CHAT_MIRROR, else of settings.yaml. It happens in the
    background; at the end up to 20 s are waited, and a warning says what was not copied. Raises
    UsageError for a target that is none.
    """
    opened = open_mirror(target)
    try:
        yield
    finally:
        if opened is not None:
            opened.finish(WAIT_SECONDS)
            if lack := not_mirrored(opened):
                warnings.warn(lack, stacklevel=3)


def trial(target: MirrorTarget, seconds: float = TRIAL_SECONDS) -> str:
    """Send a small file that stays there; one sentence why it did not arrive, "" where it did."""
    stop, failures = threading.Event(), list[str]()

    def send() -> None:
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / TRIAL
                path.write_text("logit-amp-chat doctor sent this file to see whether it arrives.\n")
                target.send(path, TRIAL, stop)
        except MirrorError as error:
            failures.append(error.message)
        except OSError as error:
            failures.append(f"Cannot write a file to send: {error.strerror}.")

    thread = threading.Thread(target=send, daemon=True)  # a folder may never answer
    thread.start()
    thread.join(seconds)
    stop.set()
    thread.join(STOP_SECONDS)
    if thread.is_alive():
        return f"Cannot mirror to {target.title}: it does not answer."
    return "".join(failures)


def is_on_the_disk_of(folder: Path, target: MirrorTarget) -> bool:
    """Whether a target is a folder on the file system of `folder`, and ends with it."""
    if not isinstance(target, FolderTarget):
        return False
    with contextlib.suppress(OSError):
        return nearest(target.folder).stat().st_dev == nearest(folder).stat().st_dev
    return False

"""Copies what a command writes to the place that --mirror, the environment or a setting names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.commands.output import say

if TYPE_CHECKING:
    from logit_amp_chat.core.transcripts.mirror import Mirror
    from logit_amp_chat.core.transcripts.mirror_target import MirrorTarget

VARIABLE = "LOGIT_AMP_CHAT_MIRROR"
SLOW_SECONDS = 1.0
"""After so long it is said what is waited for."""
WAIT_SECONDS = 20.0


def chosen_target(option: str | None) -> MirrorTarget | None:
    """The target that was named: by the option, else the environment, else settings.yaml.

    Raises UsageError for one that is none.
    """
    from logit_amp_chat.core.config.settings import read_settings, settings_path
    from logit_amp_chat.core.transcripts.mirror_target import mirror_target

    if named := option or os.environ.get(VARIABLE):
        return mirror_target(named, Path.cwd())
    path = settings_path()
    setting = read_settings(path).mirror
    return mirror_target(setting, path.parent) if setting else None


@contextlib.contextmanager
def mirroring(option: str | None, *transcripts: Path) -> Iterator[Mirror | None]:
    """Mirror what is written meanwhile; at the end, wait a while for the rest and say what is left.

    Files in `transcripts` and in the folder of sweeps keep their names. Raises UsageError.
    """
    target = chosen_target(option)
    if target is None:
        yield None
        return
    from logit_amp_chat.core.experiments.sweep.library import sweeps_folder
    from logit_amp_chat.core.transcripts.mirror import Mirror
    from logit_amp_chat.core.transcripts.writer import default_folder

    mirror = Mirror(target, (*transcripts, default_folder(), sweeps_folder()))
    try:
        yield mirror
    finally:
        finish(mirror)


def finish(mirror: Mirror, seconds: float = WAIT_SECONDS) -> None:
    """Wait until everything is mirrored, for at most `seconds`; say what is not.

    ctrl+c ends the waiting.
    """
    with contextlib.suppress(KeyboardInterrupt):
        if not mirror.finish(SLOW_SECONDS):
            _say(f"Waiting for {mirror.target.title} to take what is new …  (ctrl+c leaves)")
            mirror.finish(seconds)
    if not (left := mirror.close()):
        return
    names = ", ".join(visible(short_path(path), newlines=False) for path in left)
    why = mirror.failure.message if mirror.failure else "There was no time to mirror it."
    _say(f"NOT MIRRORED: {names}. {why}")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        say(text)

"""Copies what a command writes to the place that --mirror, the environment or a setting names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.tui.commands.output import say

if TYPE_CHECKING:
    from logit_amp_chat.core.transcripts.mirror import Mirror

SLOW_SECONDS = 1.0
"""After so long it is said what is waited for."""


@contextlib.contextmanager
def mirroring(option: str | None, *transcripts: Path) -> Iterator[Mirror | None]:
    """Mirror what is written meanwhile; at the end, wait a while for the rest.

    Files in `transcripts` keep their names. Raises UsageError for an option that names nothing.
    """
    from logit_amp_chat.core.api.mirror import open_mirror

    mirror = open_mirror(option, *transcripts)
    try:
        yield mirror
    finally:
        if mirror is not None:
            finish(mirror)


def finish(mirror: Mirror) -> None:
    """Wait until everything is mirrored, for a while; say what is not. ctrl+c ends the waiting."""
    from logit_amp_chat.core.api.mirror import WAIT_SECONDS, not_mirrored

    with contextlib.suppress(KeyboardInterrupt):
        if not mirror.finish(SLOW_SECONDS):
            _say(f"Waiting for {mirror.target.title} to take what is new …  (ctrl+c leaves)")
            mirror.finish(WAIT_SECONDS)
    if lack := not_mirrored(mirror):
        _say(lack)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        say(text)

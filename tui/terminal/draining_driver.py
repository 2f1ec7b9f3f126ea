"""Textual's driver for Linux and macOS, which leaves no late input behind for the shell."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

QUIET_SECONDS = 0.15  # more than a round trip over most lines
MOST_SECONDS = 0.6


class DrainingDriver(LinuxDriver):
    """Reads what the terminal still sends once mouse, focus and key reports are switched off.

    Over SSH those in flight would arrive when the shell has the terminal, and
    stand at its prompt as `^[[<35;40;12M`.
    """

    _reporting = False  # whether the terminal was asked to report mouse, focus and keys

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Draw on stdout where stderr, on which Textual draws, is closed or goes to a file."""
        super().__init__(*args, **kwargs)
        if sys.__stdout__ is not None and not (sys.__stderr__ and sys.__stderr__.isatty()):
            self._file = sys.__stdout__

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self._reporting = True
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def disable_input(self) -> None:
        """Stop reading, then drop what arrives until the line is quiet; still without echo."""
        super().disable_input()
        if self._reporting:
            self._reporting = False
            # Textual does so only after echo is on again. What it pops once more is the
            # stack of the alternate screen, which is empty then.
            self.write("\x1b[<u\x1b[?1004l")
            self.flush()
            drain(self.fileno)


def drain(descriptor: int, quiet: float = QUIET_SECONDS, most: float = MOST_SECONDS) -> None:
    """Read and drop input until none came for `quiet` seconds, for at most `most`."""
    end = time.monotonic() + most
    while (left := end - time.monotonic()) > 0:
        try:
            if not select.select([descriptor], [], [], min(quiet, left))[0]:
                return
            if not os.read(descriptor, 4096):
                return
        except (OSError, ValueError):  # the terminal is gone
            return

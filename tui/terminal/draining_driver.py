"""Textual's driver for Linux and macOS: finds pasted lines, and leaves no late input behind."""

from __future__ import annotations

import codecs
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from logit_amp_chat.tui.terminal.key_bunch import joined, may_go_on

READ_BYTES = 4096
GAP_SECONDS = 0.02
"""Between two parts of what is pasted; nobody types so fast."""
QUIET_SECONDS = 0.15  # more than a round trip over most lines
MOST_SECONDS = 0.6


class DrainingDriver(LinuxDriver):
    """Hands over lines that come in one bunch as `Lines`, and leaves no input for the shell.

    At the end it reads what the terminal still sends once mouse, focus and key reports are
    switched off: over SSH those in flight would arrive when the shell has the terminal, and
    stand at its prompt as `^[[<35;40;12M`.
    """

    _reporting = False  # whether the terminal was asked to report mouse, focus and keys

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Draw on stdout where stderr, on which Textual draws, is closed or goes to a file."""
        super().__init__(*args, **kwargs)
        if sys.__stdout__ is not None and not (sys.__stderr__ and sys.__stderr__.isatty()):
            self._file = sys.__stdout__

    def run_input_thread(self) -> None:
        """Read and hand over input until the end; each bunch as a whole."""
        parser = XTermParser(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while not self.exit_event.is_set():
            if _is_ready(self.fileno, 0.1):
                for message in joined(self._bunch(parser, decode)):
                    self.process_message(message)
            for message in parser.tick():
                self.process_message(message)

    def _bunch(self, parser: XTermParser, decode: Callable[[bytes], str]) -> list[Message]:
        """What is there; the rest too, where it may be the first half of a paste."""
        found: list[Message] = []
        while text := decode(os.read(self.fileno, READ_BYTES)):
            found += parser.feed(text)
            if not (may_go_on(found) and _is_ready(self.fileno, GAP_SECONDS)):
                break
        return found

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


def _is_ready(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read, now or within `seconds`."""
    return bool(select.select([descriptor], [], [], seconds)[0])


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

"""A terminal of our own: a real pty, and what a user would see in it."""

from __future__ import annotations

import os
import select
import signal
import termios
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pexpect
import pyte

SECONDS = 60.0  # for anything that is only slow, never for anything that is measured
KEYS = {
    "enter": "\r",
    "esc": "\x1b",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "left": "\x1b[D",
    "right": "\x1b[C",
    "home": "\x1b[H",
    "tab": "\t",
    "F1": "\x1bOP",
    "F2": "\x1bOQ",
    "F3": "\x1bOR",
    "F4": "\x1bOS",
    "F5": "\x1b[15~",
    "F8": "\x1b[19~",
    "F9": "\x1b[20~",
    "ctrl+c": "\x03",
    "ctrl+l": "\x0c",
    "ctrl+n": "\x0e",
    "ctrl+q": "\x11",
    "ctrl+r": "\x12",
    "ctrl+t": "\x14",
    "ctrl+u": "\x15",
    "ctrl+z": "\x1a",
}
ALTERNATE_SCREEN = 1049 << 5  # as pyte keeps private modes
MOUSE = {mode << 5 for mode in (1000, 1002, 1003, 1006, 1015)}
PASTE = 2004 << 5


class Process:
    """A process that may be anybody's child; knows without polling whether it has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    @property
    def gone(self) -> bool:
        return bool(select.select([self._handle], [], [], 0)[0])

    def send(self, number: int) -> None:
        if not self.gone:
            signal.pidfd_send_signal(self._handle, number)

    @property
    def stopped(self) -> bool:
        return not self.gone and _stat(self.pid)[0] == "T"

    def children(self) -> list[Process]:
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    if int(_stat(int(folder.name))[1]) == self.pid:
                        found.append(Process(int(folder.name)))
                except (OSError, ProcessLookupError):
                    continue
        return found

    def close(self) -> None:
        os.close(self._handle)


def _stat(pid: int) -> list[str]:
    """State, parent and so on: /proc/pid/stat from the field after the name."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Terminal:
    """A command in a pty, drawn on a pyte screen.

    Nothing is read but in `pump`, which every wait goes through; a wait ends as
    soon as what it waits for is there.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str] | None = None,
        *,
        columns: int = 100,
        rows: int = 30,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.raw = bytearray()
        self.ended = False
        self._stream = pyte.ByteStream(self.screen)
        self._child = pexpect.spawn(
            command[0],
            list(command[1:]),
            env=environment,
            dimensions=(rows, columns),
            echo=True,
            timeout=None,
        )
        self._child.delaybeforesend = None
        self.process = Process(self._child.pid)
        self.line_settings = termios.tcgetattr(self._child.fileno())

    # --- what is seen -----------------------------------------------------------

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def drawn_on(self) -> bool:
        """Whether a full-screen program has the terminal, or has left something of it switched."""
        left = self.screen.mode & {ALTERNATE_SCREEN, PASTE, *MOUSE}
        return bool(left) or self.screen.cursor.hidden

    @property
    def restored(self) -> bool:
        """Whether the terminal is as a shell wants it back."""
        return not self.drawn_on and self._same_line_settings()

    def _same_line_settings(self) -> bool:
        return termios.tcgetattr(self._child.fileno()) == self.line_settings

    # --- waiting ----------------------------------------------------------------

    def pump(self, seconds: float) -> None:
        """Read what the command has to say, for at most `seconds` when it is silent."""
        try:
            data = self._child.read_nonblocking(1 << 16, timeout=seconds)
        except pexpect.TIMEOUT:
            return
        except (pexpect.EOF, OSError, ValueError):
            self.ended = True
            return
        self.raw += data
        self._stream.feed(data)

    def until(self, reached: Callable[[], object], seconds: float = SECONDS) -> float:
        """Read until `reached`; returns the seconds that took."""
        began = time.monotonic()
        while not reached():
            waited = time.monotonic() - began
            if waited > seconds:
                raise AssertionError(f"not reached in {seconds:g} s; the screen:\n{self.text}")
            if self.ended:
                select.select([], [], [], 0.01)  # nothing more to read, only to wait for
            else:
                self.pump(0.02)
        return time.monotonic() - began

    def wait_unread(self, reached: Callable[[], object], seconds: float = SECONDS) -> float:
        """Wait as a frozen line does, reading nothing; returns the seconds that took."""
        began = time.monotonic()
        while not reached():
            assert time.monotonic() - began < seconds, f"not reached in {seconds:g} s"
            select.select([], [], [], 0.05)
        return time.monotonic() - began

    def see(self, *texts: str, seconds: float = SECONDS) -> None:
        """Read until all of `texts` stand on the screen together."""
        self.until(lambda: all(text in self.text for text in texts), seconds)

    def watch(self, seconds: float) -> None:
        """Read for a while, whatever comes."""
        end = time.monotonic() + seconds
        while not self.ended and (left := end - time.monotonic()) > 0:
            self.pump(min(left, 0.02))

    def until_gone(self, processes: Iterable[Process], seconds: float) -> float:
        """Read until all of these have ended; returns the seconds that took."""
        processes = list(processes)
        return self.until(lambda: all(process.gone for process in processes), seconds)

    def exit_code(self, seconds: float = SECONDS) -> int:
        """Read to the end; 128 + n where signal n ended the command."""
        self.until(lambda: self.ended and self.process.gone, seconds)
        if self._child.isalive():  # reaps it
            self._child.wait()
        if self._child.signalstatus is not None:
            return 128 + int(self._child.signalstatus)
        return int(self._child.exitstatus)

    # --- acting -----------------------------------------------------------------

    def write(self, text: str) -> None:
        """All of it at once, as from a paste or a fast typist."""
        data = text.encode()
        while data:
            data = data[os.write(self._child.fileno(), data) :]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.write(KEYS.get(key, key))

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def hang_up(self) -> None:
        """Close the pty, as a lost connection does."""
        self.ended = True
        self._child.ptyproc.fileobj.close()
        self._child.closed = self._child.ptyproc.closed = True

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if not self.process.gone:
            os.killpg(self.process.pid, signal.SIGKILL)
        if not self._child.closed:
            self.hang_up()
        if not self._child.terminated:
            self._child.wait()
        self.process.close()

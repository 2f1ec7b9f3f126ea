"""Behaviours that a program of the user's tells: one process reads many replies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.behaviours import Kind, Replies, Verdict, named
from logit_amp_chat.core.experiments.sweep.patterns import complete_text
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.text import clean

FLAG = "--behaviour-command"
SECONDS = 300.0
"""A program that answers nothing for so long hangs."""
LAST_SECONDS = 10.0
"""How long it may take to end after its last answer."""

LONGEST_ANSWER = 1 << 16
SAID = 500
"""Characters of its error output that an error shows."""
MOST_BYTES = 1 << 26
"""Larger files that a command names are told by their size and date."""

HOW = (
    "It reads one reply a line as JSON and writes one line for each: 0 or 1, or"
    ' {"kind": "number", "value": 3.2}.'
)


class Program:
    """A behaviour: a program's answer to each reply, 0 or 1, or a number.

    The program gets every reply as a line of JSON on its standard input, which then ends:
    {"prompt": {"messages": [{"role", "content"}, …], "begin"}, "text", "finish"}. It is not told
    at which α the reply was sampled. Its first answer says whether it gives numbers.
    """

    kind: Kind = "program"

    def __init__(self, name: str, command: str, *, seconds: float = SECONDS) -> None:
        """A shell's words, without its pipes and variables. Raises UsageError."""
        self.name = name
        self.command = command
        self._seconds = seconds
        self._numeric: bool | None = None
        self._running: _Process | None = None
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UsageError(
                f"The program of {name} cannot be read: {error}.", "Close its quotation marks."
            ) from error

    @classmethod
    def parse(cls, option: str) -> Program:
        """The behaviour of an option NAME=PROGRAM, which is there. Raises UsageError."""
        found = cls(*named(option, FLAG, "PROGRAM"))
        if not found._words or shutil.which(found._words[0]) is None:
            raise UsageError(
                f"The program of {found.name} cannot be started: there is no"
                f" {shown(found._words[0] if found._words else option)}.",
                "Check its name and path, and that it may be executed.",
            )
        return found

    @property
    def numeric(self) -> bool:
        """Whether its first answer was a number."""
        return bool(self._numeric)

    @property
    def definition(self) -> dict[str, Any]:
        """The command, and what is in the files that it names."""
        files = {word: _content(word) for word in self._words if _is_file(word)}
        return {"kind": self.kind, "command": self.command, "files": files}

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """Its answer to each reply. The replies are taken before the first answer.

        Raises UsageError for a program that cannot be started, and LogitAmpError naming the
        reply for one that ends, hangs or answers anything else.
        """
        with tempfile.TemporaryFile() as given:
            ids = []
            for prompt, reply in replies:
                given.write(_line(prompt, reply))
                ids.append(reply.id)
            if not ids:
                return
            given.seek(0)
            self._running = process = _Process(self.name, self._words, given, self._seconds)
            try:
                for id in ids:
                    yield self._verdict(process.answer(id), id)
                process.expect_end(len(ids))
            finally:
                process.kill()

    def close(self) -> None:
        """Kill the process; closing twice is fine."""
        if self._running is not None:
            self._running.kill()

    def _verdict(self, line: str, reply: str) -> Verdict:
        value, is_number = self._value(line, reply)
        if self._numeric is None:
            self._numeric = is_number
        if self._numeric is not is_number:
            kinds = ("a number", "0 or 1") if is_number else ("0 or 1", "a number")
            raise LogitAmpError(
                f"The program of {self.name} answered reply {shown(reply)} with {kinds[0]}, and"
                f" those before it with {kinds[1]}.",
                HOW,
            )
        return Verdict(value)

    def _value(self, line: str, reply: str) -> tuple[float, bool]:
        """The value of an answer, and whether it is a number whose mean counts."""
        with contextlib.suppress(ValueError, RecursionError):
            match json.loads(line):
                case bool() | int() | float() as value if value in (0, 1):
                    return float(value), False
                case {"kind": "number", "value": int() | float() as value} if _is_number(value):
                    return float(value), True
        raise LogitAmpError(
            f"The program of {self.name} answered reply {shown(reply)} with"
            f" {shown(line[:80]) or 'an empty line'}.",
            HOW,
        )


def _is_number(value: float) -> bool:
    with contextlib.suppress(OverflowError):
        return not isinstance(value, bool) and math.isfinite(float(value))
    return False


def _line(prompt: SweepPrompt, reply: SweepReply) -> bytes:
    """A reply as a program gets it: nothing in it says at which α it was sampled."""
    said = [{"role": role, "content": text} for role, text in prompt.messages]
    asked = {"messages": said, "begin": prompt.begin}
    fields = {"prompt": asked, "text": complete_text(reply), "finish": reply.finish}
    return json.dumps(fields).encode() + b"\n"


class _Process:
    """A running program: its standard input is a file, its answers are lines."""

    def __init__(self, name: str, words: list[str], given: IO[bytes], seconds: float) -> None:
        """Start it. Raises UsageError."""
        self._name = name
        self._seconds = seconds
        self._lines: list[bytes] = []
        self._rest = b""
        self._ended = self._killed = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill
        try:
            self._process = subprocess.Popen(
                words,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # ctrl+c is for us; it is killed with its children
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        except (OSError, ValueError, IndexError) as error:
            self._errors.close()
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"The program of {name} cannot be started: {shown(why)}.",
                f"Check the path and whether it may be run: {shown(words[0] if words else '')}.",
            ) from error

    def answer(self, reply: str) -> str:
        """The next line. Raises LogitAmpError naming the reply if there is none in time."""
        if not self._read(self._seconds):
            raise self._stopped(
                f"did not answer reply {shown(reply)} for {self._seconds:g} seconds"
            )
        if not self._lines:
            status = self._status()
            raise self._stopped(f"ended{status} without an answer to reply {shown(reply)}")
        return clean(self._lines.pop(0).decode("utf-8", "replace")).strip()

    def expect_end(self, answers: int) -> None:
        """Raises LogitAmpError if it answers more than it was asked, or says that it failed."""
        if self._read(LAST_SECONDS) and self._lines:
            raise self._stopped(f"wrote more than the {answers:,} lines that it was to answer")
        if status := self._status():
            raise self._stopped(f"ended{status} after its last answer")

    def kill(self) -> None:
        """End it with all that it has started, and wait for it; killing twice is fine."""
        if self._killed:
            return
        self._killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def _read(self, seconds: float) -> bool:
        """Wait for a line or the end of its output; False if neither comes in time."""
        assert self._process.stdout
        output, until = self._process.stdout.fileno(), time.monotonic() + seconds
        waiting = select.poll()
        waiting.register(output, select.POLLIN)
        while not self._lines and not self._ended:
            left = until - time.monotonic()
            if left <= 0 or not waiting.poll(1000 * left):
                return False
            found = os.read(output, LONGEST_ANSWER)
            *self._lines, self._rest = (self._rest + found).split(b"\n")
            if len(self._rest) > LONGEST_ANSWER:
                raise self._stopped(f"wrote a line of more than {LONGEST_ANSWER:,} bytes")
            if not found:
                self._ended = True
                self._lines = [self._rest] if self._rest else []
                self._rest = b""
        return True

    def _status(self) -> str:
        """How it ended, in words; empty if well, or if it goes on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1.0)
            if code < 0:
                return f" by signal {-code}"
            return f" with status {code}" if code else ""
        return ""

    def _stopped(self, what: str) -> LogitAmpError:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4 * SAID))
        said = self._errors.read().decode("utf-8", "replace").strip()[-SAID:]
        return LogitAmpError(
            f"The program of {self._name} {what}."
            + (f" It said: {shown(said.splitlines()[-1])}" if said else ""),
            HOW,
        )


# --- what is in the files of a command ------------------------------------------


def _is_file(word: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return Path(word).is_file()
    return False


def _content(word: str) -> str:
    """A hash of a file that a command names: changed, it is another program."""
    path = Path(word)
    with contextlib.suppress(OSError):
        status = path.stat()
        if status.st_size <= MOST_BYTES:
            return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        return f"{status.st_size} bytes, {status.st_mtime_ns}"
    return ""

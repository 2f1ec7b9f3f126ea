"""Data on stdout, narration on stderr; nothing untrusted reaches a terminal raw."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.written_files import announce

if TYPE_CHECKING:
    from logit_amp_chat.core.protocol import Loading


class ClosedOutput(io.TextIOBase):
    """Standard output where there is none: what is written there must not be lost silently."""

    def write(self, text: str) -> int:
        """Raise LogitAmpError."""
        raise LogitAmpError(
            "Cannot write the output: standard output is closed.", "Send it somewhere else."
        )


def occupy_closed_streams() -> None:
    """Give every standard stream that is closed a stand-in, and its number to the null device.

    Otherwise the next file that is opened gets the number, and what a library prints to stdout
    goes into a transcript.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            empty = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
            stream = ClosedOutput() if name == "stdout" else empty
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def prepare(stream: TextIO) -> None:
    """Make a stream take any text: UTF-8 into pipes and files, replacements on a terminal."""
    if isinstance(stream, io.TextIOWrapper):
        if stream.isatty():
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8", errors="replace")


def say(text: str) -> None:
    """One line of narration."""
    print(visible(text), file=sys.stderr, flush=True)


def think(text: str) -> None:
    """What a model thinks, as it comes: narration beside the answer."""
    sys.stderr.write(visible(text))
    sys.stderr.flush()


class ReaderGoneError(Exception):
    """Whoever read stdout has seen enough: `| head` and the like."""


def put(text: str) -> None:
    """Text for stdout at once: as it is into a pipe, made visible on a terminal."""
    _write(visible(text) if sys.stdout.isatty() else text)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered has to go somewhere when the interpreter exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ReaderGoneError from None
    except OSError as error:
        raise LogitAmpError(
            f"Cannot write the output: {error.strerror}.", "Send it somewhere else."
        ) from error


def put_safe(text: str) -> None:
    """Text for stdout that is safe to show already, and may have colours."""
    _write(text)


# A pager that did not even take the head of the first hunk has failed.
FAILED_AFTER = 3


def show_in_pager(pieces: Iterable[str], *, colour: bool) -> bool:
    """Show text that is safe already in $PAGER, as it comes; returns whether it took it all."""
    import click

    left, shown = True, 0
    os.environ.setdefault("LESS", "FRX")  # a page or less is printed, and colours pass
    with click.get_pager_file(color=colour) as pager:
        for piece in pieces:
            pager.write(piece)
            pager.flush()
            shown += 1
        left = False
    if left and shown < FAILED_AFTER:
        say("note: the pager ended at once; --no-pager prints without one, $PAGER names another")
    return not left


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Text for a file, piece by piece as it comes, so that a kill leaves what was read so far.

    Raises LogitAmpError if it cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", errors="replace") as file:
            if path.is_file():
                announce(path)
            for piece in pieces:
                file.write(piece)
                file.flush()
    except OSError as error:
        raise LogitAmpError(
            f"Cannot write {visible(str(path), newlines=False)}: {error.strerror}.",
            "Choose another file with --out.",
        ) from error


def put_json(line: str) -> None:
    """A line of JSON for stdout; on a terminal, what cannot be seen is escaped."""
    if sys.stdout.isatty():
        line = "".join(c if visible(c) == c else _escape(c) for c in line)
    _write(line + "\n")


def _escape(character: str) -> str:
    """JSON's escapes of one character: two for those beyond the first plane."""
    if character == "\n":
        return character
    data = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{part}" for part in re.findall("....", data))


class Progress:
    """Loading as one line that changes on a terminal, as a line a stage elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") not in (None, "", "dumb")
        self._stage = ""

    def __call__(self, loading: Loading) -> None:
        """Show how far a stage is."""
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            line = visible(_figures(loading), newlines=False)[:width]
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._stage = loading.stage
        elif loading.stage == "memory":  # its figures are all that there is to say
            say(_figures(loading))
        elif self._stage != (stage := f"{loading.stage}: {loading.detail}".rstrip(": ")):
            say(stage)
            self._stage = stage

    def done(self) -> None:
        """Take the line away."""
        if self._live and self._stage:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _figures(loading: Loading) -> str:
    from logit_amp_chat.core.number_format import quantity

    amount = quantity(loading.done, loading.unit)
    if loading.total:
        share = f"{min(loading.done / loading.total, 1):4.0%}"
        amount = f"{share}  {amount} of {quantity(loading.total, loading.unit)}"
    if loading.unit not in ("", "bytes"):
        amount += f" {loading.unit}"
    return f"{loading.stage}  {amount}  {loading.detail}"

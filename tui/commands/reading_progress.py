"""How far texts are read: tokens, rate and remaining time, as one line that changes."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from logit_amp_chat.core.number_format import count, duration
from logit_amp_chat.core.reading import ReadBlock
from logit_amp_chat.core.records import Document
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import say

INTERVAL = 0.2
"""Seconds between two updates of the line."""

T = TypeVar("T")


class Texts(Protocol):
    """What is read: its size, and how much of it the iteration has taken, in the same unit."""

    @property
    def size(self) -> int:
        """All of it."""

    @property
    def position(self) -> int:
        """What is taken."""


class LiveLine:
    """A line on stderr that changes, on a terminal only."""

    def __init__(self, *, live: bool) -> None:
        self._live = live and sys.stderr.isatty() and os.environ.get("TERM") not in ("", "dumb")
        self._shown = 0.0
        self._drawn = False
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @property
    def is_due(self) -> bool:
        """Whether there is a line, and it is time to draw it anew."""
        return self._live and time.monotonic() - self._shown >= INTERVAL

    def draw(self, line: str) -> None:
        """Show a line that is safe already."""
        self._shown, self._drawn = time.monotonic(), True
        sys.stderr.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away, as something else is printed."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def left(self, share: float) -> str:
        """The time that is left once `share` of the work is done: `, 2:05 min left`."""
        return f", {duration(self.seconds * (1 - share) / share)} left" if share else ""


class ReadingProgress:
    """Watches the events of a diff; on a terminal it shows a line on stderr."""

    def __init__(self, texts: Texts, *, live: bool) -> None:
        self._texts = texts
        self._line = LiveLine(live=live)
        self._tokens = 0
        self._seconds = 0.0

    def watched(self, events: Iterable[T]) -> Iterator[T]:
        """The events, as they are."""
        begin, end, name = 0, 0, ""
        for event in self._timed(events):
            if isinstance(event, Document):
                begin, end, name = end, self._texts.position, event.source
            elif isinstance(event, ReadBlock):
                self._tokens += len(event.steps)
                read = begin + (end - begin) * event.done / max(1, event.total)
                self._show(name, read / max(1, self._texts.size))
            yield event

    def _timed(self, events: Iterable[T]) -> Iterator[T]:
        """The events; counts the seconds that they took, and not those of who takes them."""
        waiting = iter(events)
        while True:
            began = time.monotonic()
            try:
                event = next(waiting)
            except StopIteration:
                return
            finally:
                self._seconds += time.monotonic() - began
            yield event

    def clear(self) -> None:
        """Take the line away, as something else is printed."""
        self._line.clear()

    def finish(self) -> None:
        """Say how many tokens were read, how fast."""
        self.clear()
        seconds = self._seconds
        rate = f"{self._tokens / seconds:,.0f} tokens/s" if seconds else ""
        say(f"{count(self._tokens, 'token')} scored in {duration(seconds)}, {rate}")

    def _show(self, name: str, share: float) -> None:
        if self._line.is_due:
            rate = f"{self._tokens / self._line.seconds:,.0f} tokens/s{self._line.left(share)}"
            read = f"{share:4.0%}  {self._tokens:,} tokens, {rate}"
            self._line.draw(f"{read}  {visible(name, newlines=False)}")

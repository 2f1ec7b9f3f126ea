"""How far texts are read: tokens, rate and remaining time, as one line that changes."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator

from logit_amp_chat.core.experiments.diff import DiffEvent
from logit_amp_chat.core.experiments.sources import Sources
from logit_amp_chat.core.number_format import count, duration
from logit_amp_chat.core.reading import ReadBlock
from logit_amp_chat.core.records import Document
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import say

INTERVAL = 0.2
"""Seconds between two updates of the line."""


class ReadingProgress:
    """Watches the events of a diff; on a terminal it shows a line on stderr."""

    def __init__(self, sources: Sources, *, live: bool) -> None:
        self._sources = sources
        self._live = live and sys.stderr.isatty() and os.environ.get("TERM") not in ("", "dumb")
        self._began = time.monotonic()
        self._shown = 0.0
        self._tokens = 0
        self._drawn = False

    def watched(self, events: Iterable[DiffEvent]) -> Iterator[DiffEvent]:
        """The events, as they are."""
        begin, end, name = 0, 0, ""
        for event in events:
            if isinstance(event, Document):
                begin, end, name = end, self._sources.position, event.source
            elif isinstance(event, ReadBlock):
                self._tokens += len(event.steps)
                read = begin + (end - begin) * event.done / max(1, event.total)
                self._show(name, read / max(1, self._sources.size))
            yield event

    def clear(self) -> None:
        """Take the line away, as something else is printed."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def finish(self) -> None:
        """Say how many tokens were read, how fast."""
        self.clear()
        seconds = time.monotonic() - self._began
        rate = f"{self._tokens / seconds:,.0f} tokens/s" if seconds else ""
        say(f"{count(self._tokens, 'token')} scored in {duration(seconds)}, {rate}")

    def _show(self, name: str, share: float) -> None:
        now = time.monotonic()
        if not self._live or now - self._shown < INTERVAL:
            return
        self._shown, spent = now, now - self._began
        left = f", {duration(spent * (1 - share) / share)} left" if share else ""
        line = (
            f"{share:4.0%}  {self._tokens:,} tokens, {self._tokens / spent:,.0f} tokens/s{left}"
            f"  {visible(name, newlines=False)}"
        )
        sys.stderr.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()
        self._drawn = True

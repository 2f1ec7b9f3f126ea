"""The events of one request, until its client has them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import NamedTuple

from logit_amp_chat.core.engine.wire import to_line
from logit_amp_chat.core.protocol import Event


class Numbered(NamedTuple):
    """One event with its number in the answer, from 1, and its line on the wire."""

    number: int
    event: Event
    line: bytes


class EventLog:
    """What one thread adds and a coroutine reads, in order, each event once or again.

    An event is kept until the reader acknowledges it. Whoever adds waits while more than
    `capacity` bytes are kept.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, capacity: int) -> None:
        self._loop = loop
        self._capacity = capacity
        self._kept: deque[Numbered] = deque()
        self._bytes = 0
        self._last = 0
        self._acknowledged = 0
        self._over = False
        self._waiting = 0
        self._left = time.monotonic()
        self._room = threading.Condition()
        self._news = asyncio.Event()

    # --- on the thread of the engine ---------------------------------------------

    def append(self, event: Event) -> None:
        """Add an event; it is kept whatever its size."""
        with self._room:
            self._last += 1
            entry = Numbered(self._last, event, to_line(event))
            self._kept.append(entry)
            self._bytes += len(entry.line)
        self._tell()

    def wait_for_room(self, seconds: float) -> bool:
        """Wait a while until events that are kept fit; whether they do."""
        with self._room:
            return self._room.wait_for(lambda: self._bytes <= self._capacity, seconds)

    def end(self) -> None:
        """No more events will come."""
        with self._room:
            self._over = True
        self._tell()

    def unread_for(self) -> float:
        """Seconds since a reader last wanted events; 0 while one waits for them.

        One whose connection takes no more does not: a laptop that sleeps still has its connection.
        """
        with self._room:
            return 0.0 if self._waiting else time.monotonic() - self._left

    def _tell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the server has ended
            return

    # --- on the event loop -------------------------------------------------------

    def is_done(self, number: int) -> bool:
        """Whether this was the last event, and no more will come."""
        with self._room:
            return self._over and number >= self._last

    def holds(self, number: int) -> bool:
        """Whether the events after this one are all there, or still to come."""
        return self._acknowledged <= number <= self._last

    def acknowledge(self, number: int) -> None:
        """The client has every event up to this one: they are kept no longer."""
        with self._room:
            while self._kept and self._kept[0].number <= number:
                self._bytes -= len(self._kept.popleft().line)
            self._acknowledged = max(self._acknowledged, number)
            self._room.notify_all()

    async def after(self, number: int, seconds: float) -> list[Numbered]:
        """The kept events after this one, at least one; none after some time, or at the end."""
        with self._room:
            self._waiting += 1
        try:
            return await self._after(number, seconds)
        finally:
            with self._room:
                self._waiting -= 1
                self._left = time.monotonic()

    async def _after(self, number: int, seconds: float) -> list[Numbered]:
        deadline = self._loop.time() + seconds
        while True:
            self._news.clear()
            with self._room:
                found = [entry for entry in self._kept if entry.number > number]
                over = self._over
            left = deadline - self._loop.time()
            if found or over or left <= 0:
                return found
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                continue

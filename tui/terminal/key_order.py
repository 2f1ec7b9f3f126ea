"""Keys act in the order in which they were typed, also where one of them changes the screen."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump
from textual.widgets import Input, TextArea

LONGEST_SECONDS = 2.0
LOOK_SECONDS = 0.02

# Held down, they come faster than a busy screen can answer; they open and close nothing.
REPEATED = {
    *("up", "down", "left", "right", "home", "end", "pageup", "pagedown", "backspace", "delete"),
    *("ctrl+up", "ctrl+down", "ctrl+left", "ctrl+right", "f2", "f3"),
    *("minus", "equals_sign", "left_square_bracket", "right_square_bracket", "tab", "shift+tab"),
}


class KeyOrder:
    """Gives an app its keys, the next one when what the one before did is done.

    Textual sends a key to the widget that has the focus when the key is read. A key that closes
    or opens a dialog does so later: the letters behind it, in one bunch as over a slow line,
    would go into the dialog that closes, or into the composer instead of the one that opens.
    """

    def __init__(self, app: App[Any], give: Callable[[events.Event], Awaitable[None]]) -> None:
        """`give` is what Textual does with an event."""
        self._app = app
        self._give = give
        self._waiting: deque[events.Event] = deque()
        self._settling: asyncio.Task[None] | None = None

    async def take(self, event: events.Event) -> None:
        """Give an event, or keep it until it is its turn. Called by the app alone."""
        self._waiting.append(event)
        if self._settling is None:
            await self._go_on()

    def take_first(self, keys: Iterable[events.Event]) -> None:
        """Give these before what waits: they are what an event that was given came as."""
        self._waiting.extendleft(reversed([*keys]))

    async def _go_on(self) -> None:
        self._settling = None
        while self._waiting and self._settling is None:
            event = self._waiting.popleft()
            chain = [*self._chain()] if self._changes_the_screen(event) else []
            await self._give(event)
            if chain:
                self._settling = asyncio.create_task(self._settle(chain))

    def _changes_the_screen(self, event: events.Event) -> bool:
        """Whether a key may: not one that writes into a field, nor one that is held down."""
        if not isinstance(event, events.Key) or event.key in REPEATED:
            return False
        return not (event.is_printable and isinstance(self._app.focused, Input | TextArea))

    def _chain(self) -> Iterator[MessagePump]:
        """Whom a key passes, and what they tell each other because of it, in this order."""
        screen, focused = self._app.screen, self._app.focused
        if focused is not None:
            yield focused
            yield from focused.ancestors_with_self
        yield from (screen, self._app, screen, self._app)

    async def _settle(self, chain: list[MessagePump]) -> None:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                for pump in chain:
                    await _caught_up(pump)
        except TimeoutError:
            pass
        finally:
            self._app.call_next(self._go_on)


async def _caught_up(pump: MessagePump) -> None:
    """Wait until a pump has dealt with the messages that it has, or is gone."""
    done = asyncio.Event()
    if not pump.call_later(done.set):
        return
    while not done.is_set() and pump.is_running:
        try:
            await asyncio.wait_for(done.wait(), LOOK_SECONDS)
        except TimeoutError:
            continue

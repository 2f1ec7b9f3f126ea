"""Tells whoever copies files elsewhere which ones this process writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

_listeners: list[Callable[[Path], None]] = []


def announce(path: Path) -> None:
    """This process writes, or has written, the file `path`."""
    for listener in tuple(_listeners):
        listener(path)


@contextlib.contextmanager
def listening(listener: Callable[[Path], None]) -> Iterator[None]:
    """Call `listener` with every file that is announced, on the thread that writes it."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

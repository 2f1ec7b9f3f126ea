"""Stop strings, found in a reply as its tokens come.

All of it is about bytes: tokens may end within a character, and what two of them spell
together is what their bytes spell. Special tokens count as they are spelled. What such a string
leaves of the text is for `reply_parts` to say.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopSearch:
    """The bytes of a reply, searched for stop strings."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, piece: bytes, stops: Sequence[str]) -> str | None:
        """The stop string that a token with these bytes completes, if any.

        Of several the one that begins first, and of those the longest.
        """
        before = len(self._data)
        self._data += piece
        found = []
        for stop in stops:
            encoded = _encoded(stop)
            at = _place(self._data, encoded, before)
            if at >= 0:
                found.append((at, -len(encoded), stop))
        return min(found)[-1] if found else None


class HeldText:
    """What those hold back who cannot take back what they have shown."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.size = 0
        """How many bytes at the end a stop string may take back: at least as many characters."""
        self._stops = [_encoded(stop) for stop in stops]
        self._longest = max(map(len, self._stops), default=0)
        self._data = b""

    def add(self, piece: bytes) -> None:
        """Add the bytes of the next token."""
        before = len(self._data)
        self._data += piece
        self.size = max((_held(self._data, stop, before) for stop in self._stops), default=0)
        kept = max(self.size, self._longest)
        self._data = self._data[-kept:] if kept else b""


def _held(data: bytes, stop: bytes, before: int) -> int:
    """How many of the last bytes a stop string may take back.

    It may begin with them, or be completed by those after the first `before`.
    """
    at = _place(data, stop, before)
    if at >= 0:
        return len(data) - at
    sizes = range(min(len(stop) - 1, len(data)), 0, -1)
    return next((size for size in sizes if data.endswith(stop[:size])), 0)


def _place(data: bytes | bytearray, stop: bytes, before: int) -> int:
    """Where `stop` first stands in `data` with its end after the first `before` bytes, or −1."""
    return data.find(stop, max(0, before - len(stop) + 1))


def _encoded(stop: str) -> bytes:
    return stop.encode("utf-8", "surrogatepass")

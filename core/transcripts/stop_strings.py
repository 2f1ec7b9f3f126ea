"""Where a stop string ends a reply: found while it is sampled, and again in its records.

All of it is about bytes: tokens may end within a character, and what two of them spell
together is what their bytes spell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from logit_amp_chat.core.transcripts.reply_text import ReplyText, TokenText, step_bytes


class StopSearch:
    """The bytes of a reply as its tokens come, searched for stop strings.

    Special tokens count as they are spelled.
    """

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


class Cut(NamedTuple):
    """Where a reply's text ends: after the first `size` bytes of the token `step`."""

    step: int
    size: int

    def drops(self, index: int) -> bool:
        """Whether the text has nothing of the token at `index`."""
        return (index, 0) >= self

    def kept(self, index: int, step: TokenText) -> TokenText:
        """What the text has of the token at `index`."""
        if index < self.step:
            return step
        return _part(step_bytes(step)[: self.size] if index == self.step else b"")

    def rest(self, index: int, step: TokenText) -> str:
        """What it does not have of the token at `index`."""
        if index < self.step:
            return ""
        return step_bytes(step)[self.size if index == self.step else 0 :].decode(errors="replace")


class _Part(NamedTuple):
    text: str
    bytes: str | None
    special: bool = False


def _part(data: bytes) -> TokenText:
    return _Part(data.decode(errors="replace"), data.hex())


def find_cut(steps: Sequence[TokenText], stop: str) -> Cut | None:
    """Where the stop string begins that the last of `steps` completes; None if it does not."""
    pieces = [step_bytes(step) for step in steps]
    data = b"".join(pieces)
    at = _place(data, _encoded(stop), len(data) - len(pieces[-1])) if pieces else -1
    if at < 0:
        return None
    for index, piece in enumerate(pieces):
        if at < len(piece):
            return Cut(index, at)
        at -= len(piece)
    return None


def text_before(steps: Iterable[TokenText], cut: Cut) -> str:
    """The text of a reply up to where it was cut."""
    stream = ReplyText()
    text = "".join(stream.add(cut.kept(index, step)) for index, step in enumerate(steps))
    return text + stream.finish()


class HeldText:
    """The text of a reply for those who cannot take back what they have shown.

    What may be the beginning of a stop string is held back until that is known.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = [_encoded(stop) for stop in stops]
        self._steps: list[TokenText] = []
        self._released = 0
        self._data = b""
        """The bytes of the steps that are held."""
        self._stream = ReplyText()

    def add(self, step: TokenText) -> str:
        """The text that is certain once `step` has come."""
        before = len(self._data)
        self._steps.append(step)
        self._data += step_bytes(step)
        held = max((_held(self._data, stop, before) for stop in self._stops), default=0)
        return "".join(self._release(held))

    def finish(self, stop: str | None) -> str:
        """The rest, up to the stop string that ended the reply."""
        cut = find_cut(self._steps, stop) if stop else None
        held = enumerate(self._steps[self._released :], self._released)
        rest = [self._stream.add(cut.kept(n, step) if cut else step) for n, step in held]
        return "".join(rest) + self._stream.finish()

    def _release(self, held: int) -> Iterator[str]:
        """The text of the tokens that have none of the last `held` bytes."""
        while self._released < len(self._steps):
            step = self._steps[self._released]
            size = len(step_bytes(step))
            if len(self._data) - size < held:
                return
            self._data = self._data[size:]
            self._released += 1
            yield self._stream.add(step)


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

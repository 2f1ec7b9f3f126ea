"""Turns the steps of a reply into text; `core.models.token_offsets` joins bytes alike."""

from __future__ import annotations

from typing import Protocol

from logit_amp_chat.core.text import Utf8Stream


class TokenText(Protocol):
    """What a step adds to a text; a `Step` is one."""

    @property
    def text(self) -> str:
        """The token decoded on its own."""

    @property
    def bytes(self) -> str | None:
        """Its bytes in hex, where they are not valid UTF-8."""

    @property
    def special(self) -> bool:
        """Whether it is no part of the text."""


class ReplyText:
    """The text of one reply, step by step and in order.

    A character whose bytes are split between tokens belongs to the last of
    them. Special tokens add nothing. The text is not safe to show: `visible`
    makes it so.
    """

    def __init__(self) -> None:
        self._stream = Utf8Stream()
        self._split = False  # whether a character waits for its other bytes

    def add(self, step: TokenText) -> str:
        """The characters that `step` completes."""
        if step.special:
            return ""
        if step.bytes is None and not self._split:  # most tokens: whole characters
            return step.text if step.text.isascii() else step_bytes(step).decode("utf-8", "replace")
        piece = self._stream.feed(step_bytes(step))
        self._split = self._stream.pending
        return piece

    def finish(self) -> str:
        """An incomplete last character, as U+FFFD."""
        return self._stream.finish()


def step_bytes(step: TokenText) -> bytes:
    """The bytes a step adds to its reply, special or not."""
    if step.bytes is not None:
        try:
            return bytes.fromhex(step.bytes)
        except ValueError:  # in an untrusted file
            pass
    return step.text.encode("utf-8", "surrogatepass")

"""One request at a time: the next one ends the one that was left."""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, TypeVar

from logit_amp_chat.core.errors import UsageError

T = TypeVar("T")


class Exclusive(Generic[T]):
    """Runs generators one at a time."""

    def __init__(self) -> None:
        self._running: Generator[T, None, None] | None = None

    def run(self, answer: Generator[T, None, None]) -> Generator[T, None, None]:
        """`answer`, after the one before it was closed; that one then yields nothing more.

        Raises UsageError while another thread is in the one before.
        """
        self.end()
        self._running = answer
        try:
            yield from answer
        finally:
            if self._running is answer:
                self._running = None

    def end(self) -> None:
        """Close what runs. Raises UsageError while another thread is in it."""
        running = self._running
        if running is None:
            return
        try:
            running.close()
        except ValueError as error:  # it is executing
            raise UsageError(
                "This pair is answering another request.",
                "Ask one after the other, or open a second pair.",
            ) from error
        if self._running is running:
            self._running = None

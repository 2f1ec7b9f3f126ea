"""A worker as the sweep sees it, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from logit_amp_chat.core.protocol import Adjustment, Event, Loading
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest


class WorkerLost(Exception):  # noqa: N818 - an event, not a mistake
    """The process or the machine of a worker is gone; the message says how."""


class Worker(Protocol):
    """An engine elsewhere, which begins to open as soon as there is room for it."""

    def ask(self, request: SampleRequest | RescoreRequest) -> None:
        """Begin to answer, once all that was asked before is taken."""

    def take(self) -> Sequence[Event] | None:
        """The next events: of opening, then of what was asked; None at the end of either.

        Raises WorkerLost.
        """

    def loading(self) -> Loading | None:
        """How far opening is, as far as is known; waits for nothing."""

    def apply(self, command: Adjustment) -> None:
        """Change the request in progress; waits for nothing."""

    def end(self) -> None:
        """End its process; whatever it was doing is lost."""


Start = Callable[[int], Worker]
"""Starts the worker of a number."""

Wait = Callable[[Sequence[Worker], float], Sequence[Worker]]
"""Those of the workers from which something can be taken; after so many seconds none."""

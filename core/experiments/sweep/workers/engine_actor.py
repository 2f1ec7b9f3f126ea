"""What runs in a worker: an engine, behind methods that a cluster can call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import EngineError, LogitAmpError, first_line
from logit_amp_chat.core.protocol import Adjustment, Event, Failed, Loading
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest

if TYPE_CHECKING:
    from logit_amp_chat.core.engine.opened_engine import OpenedEngine


class EngineActor:
    """One engine. `open` and `answer` run in one thread; the others may be called meanwhile."""

    def __init__(self, threads: int) -> None:
        """`threads` is the share of the machine's cores that it may use."""
        self._threads = threads
        self._engine: OpenedEngine | None = None
        self._loading: Loading | None = None

    def open(self, profile: Profile) -> Iterator[Sequence[Event]]:
        """Load the pair: Opened, or Failed."""
        try:
            from logit_amp_chat.core.engine.opened_engine import open_engine

            self._engine = open_engine(profile, self._report)
            _limit_threads(self._threads)
        except Exception as error:  # any error: the caller must be told
            yield [_failed(error)]
        else:
            yield [self._engine.opened]

    def answer(self, request: SampleRequest | RescoreRequest) -> Iterator[Sequence[Event]]:
        """The events of a request, in batches; the last is Failed where it was refused."""
        assert self._engine is not None, "open comes first"
        try:
            for batch in self._engine.batches(request):
                if batch:
                    yield batch
        except Exception as error:  # any error: the caller must be told
            yield [_failed(error)]

    def loading(self) -> Loading | None:
        """How far opening is."""
        return self._loading

    def apply(self, command: Adjustment) -> None:
        """Change the request in progress."""
        if self._engine is not None:
            self._engine.apply(command)

    def _report(self, loading: Loading) -> None:
        self._loading = loading


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(max(1, min(threads, torch.get_num_threads())))


def _failed(error: Exception) -> Failed:
    """An error as an event; one after which nothing answers any more is fatal to the worker."""
    if isinstance(error, LogitAmpError):
        return Failed(
            message=error.message,
            remedy=error.remedy,
            exit_code=error.exit_code,
            fatal=isinstance(error, EngineError),
        )
    said = f"{type(error).__name__}: {first_line(error)}"
    return Failed(message=said, exit_code=EngineError.exit_code, fatal=True)

"""Workers in this process, each with a toy engine, that can be lost after so many events."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, repeat

from logit_amp_chat.core.api.open_workers import OpenWorkers
from logit_amp_chat.core.experiments.sweep.workers.pool import WorkerPool
from logit_amp_chat.core.experiments.sweep.workers.worker import Worker, WorkerLost
from logit_amp_chat.core.protocol import Adjustment, Event, Failed, Loading
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.samples import RescoreRequest, SampledReply, SampleRequest
from tests.core.experiments.sweep.toy_engine import ToyEngine


class ToyWorker:
    """It is lost when a reply more than `replies` would come; None: never."""

    def __init__(
        self,
        replies: int | None = None,
        failed: Failed | None = None,
        engine: Callable[[], ToyEngine] = ToyEngine,
    ) -> None:
        self.engine = engine()
        self.ended = False
        self.is_deaf = False
        self._replies = replies
        self._stream: Iterator[Event] = iter([failed or self.engine.opened])

    def open_as(self, session: Session) -> None:
        """Let it open another pair."""
        self._stream = iter([replace(self.engine.opened, session=session)])

    def ask(self, request: SampleRequest | RescoreRequest) -> None:
        if isinstance(request, SampleRequest):
            self._stream = self.engine.sample(request)
        else:
            self._stream = self.engine.rescore(request)

    def take(self) -> Sequence[Event] | None:
        event = next(self._stream, None)
        if isinstance(event, SampledReply) and self._replies is not None:
            if self._replies == 0:
                raise WorkerLost("its process died")
            self._replies -= 1
        return None if event is None else [event]

    def loading(self) -> Loading | None:
        return Loading(stage="weights", detail="after", done=1, total=2)

    def apply(self, command: Adjustment) -> None:
        if not self.is_deaf:
            self.engine.apply(command)

    def end(self) -> None:
        self.ended = True


class ToyPool(WorkerPool):
    """`made` are its workers; those beyond the first few are never lost, unless all are `mortal`.

    Give the replies after which each is lost, in the order in which they are started.
    """

    def __init__(
        self,
        *replies: int | None,
        workers: int = 2,
        mortal: bool = False,
        engine: Callable[[], ToyEngine] = ToyEngine,
    ) -> None:
        self.made: list[ToyWorker] = []
        lives = chain(replies, repeat(0 if mortal else None))

        def start(number: int) -> ToyWorker:
            self.made.append(ToyWorker(next(lives), engine=engine))
            return self.made[-1]

        super().__init__(start, everybody, workers)

    @property
    def asked(self) -> list[SampleRequest | RescoreRequest]:
        """What all of them were asked."""
        return [request for worker in self.made for request in worker.engine.asked]


def everybody(workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
    return workers


def unopenable(failed: Failed, workers: int) -> WorkerPool:
    """A pool none of whose workers can open the pair."""
    return WorkerPool(lambda _: ToyWorker(failed=failed), everybody, workers)


def opened(pool: WorkerPool) -> OpenWorkers:
    """The workers of a pool, once one of them is ready."""
    stack = contextlib.ExitStack()
    stack.callback(pool.close)
    return OpenWorkers(pool, stack, pool.open(lambda _: None))

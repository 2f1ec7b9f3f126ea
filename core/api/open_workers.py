"""Workers that have opened a pair, to sample sweeps with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

from logit_amp_chat.core.api.interrupts import interruptible
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.sweep import Sampler
from logit_amp_chat.core.experiments.sweep.workers import ray_cluster
from logit_amp_chat.core.experiments.sweep.workers.asked_workers import AskedWorkers
from logit_amp_chat.core.experiments.sweep.workers.pool import WorkerPool
from logit_amp_chat.core.protocol import Adjustment, Drain, Loading
from logit_amp_chat.core.records import Session


class OpenSampler(Protocol):
    """What a sweep is sampled with: an `OpenPair`, or workers that have opened one."""

    session: Session

    @property
    def engine(self) -> Sampler:
        """What answers."""

    def interruptible(
        self, stop: Callable[[], None] | None = None, *, command: Adjustment | None = None
    ) -> contextlib.AbstractContextManager[None]:
        """See `OpenPair`."""


class OpenWorkers:
    """Engines on Ray, each with the same pair; a context manager that ends them on exit.

    `session` is that of the first which was ready; `notices` say what became of others.
    """

    def __init__(self, pool: WorkerPool, stack: contextlib.ExitStack, said: list[str]) -> None:
        """Use `open_workers`."""
        self.session: Session = pool.opened.session
        self.notices = (*pool.opened.notices, *said)
        self._pool: WorkerPool | None = pool
        self._stack = stack

    @property
    def engine(self) -> WorkerPool:
        """What samples. Raises UsageError once the workers have ended."""
        if self._pool is None:
            raise UsageError("These workers have ended.", "Open them again.")
        return self._pool

    @contextlib.contextmanager
    def interruptible(
        self, stop: Callable[[], None] | None = None, *, command: Adjustment | None = None
    ) -> Iterator[None]:
        """The first ctrl+c begins no more replies, the second raises KeyboardInterrupt."""

        def end() -> None:
            self.engine.apply(command or Drain())
            if stop is not None:
                stop()

        with interruptible(end):
            yield

    def close(self) -> None:
        """End the workers; closing twice is fine."""
        self._pool = None
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_workers(
    profile: Profile, workers: str, report: Callable[[Loading], None] = lambda _: None
) -> OpenWorkers:
    """Open a pair in every worker that `workers` says, and wait for the first.

    Raises UsageError where there cannot be so many, or without Ray, EngineError where none
    can be had, and what opening a pair raises.
    """
    asked = AskedWorkers.parse(workers)
    with contextlib.ExitStack() as stack:
        stack.enter_context(ray_cluster.connected())
        from logit_amp_chat.core.experiments.sweep.workers.ray_worker import RayWorker, nodes, ready

        each = profile.vllm.tensor_parallel if profile.engine == "vllm" else 1
        on_gpus = profile.device != "cpu"
        share = ray_cluster.share(asked, nodes(), on_gpus=on_gpus, gpus_each=each)
        pool = WorkerPool(lambda _: RayWorker(profile, share), ready, share.workers)
        stack.callback(pool.close)
        said = pool.open(report)
        return OpenWorkers(pool, stack.pop_all(), said)

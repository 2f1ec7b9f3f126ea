"""A worker that is an actor of Ray's."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import ray
from ray import exceptions

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.experiments.sweep.workers.engine_actor import EngineActor
from logit_amp_chat.core.experiments.sweep.workers.ray_cluster import Share
from logit_amp_chat.core.experiments.sweep.workers.worker import Worker, WorkerLost
from logit_amp_chat.core.protocol import Adjustment, Event, Loading
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest

THREADS = {"work": 1, "control": 1}
"""An engine is used by one thread of its actor; another takes commands meanwhile."""


class RayWorker:
    """A `Worker`: Ray places it where there is room."""

    def __init__(self, profile: Profile, share: Share) -> None:
        # One GPU is the worker's own, and is number 0 there.
        device = "cuda" if profile.device.startswith("cuda") else profile.device
        options = {"num_cpus": share.cpus, "num_gpus": share.gpus, "max_restarts": 0}
        actor = ray.remote(concurrency_groups=THREADS)(EngineActor)
        self._actor: Any = actor.options(**options).remote(share.cpus)
        self._asked: Any = None
        self._loading: Loading | None = None
        opened = profile.model_copy(update={"device": device})
        self.answers: Any = self._streamed(self._actor.open).remote(opened)

    def ask(self, request: SampleRequest | RescoreRequest) -> None:
        """See `Worker`."""
        self.answers = self._streamed(self._actor.answer).remote(request)

    def take(self) -> Sequence[Event] | None:
        """See `Worker`."""
        try:
            events: Sequence[Event] = ray.get(next(self.answers))
        except StopIteration:
            return None
        except exceptions.RayError as error:
            raise WorkerLost(_how(error)) from error
        return events

    def loading(self) -> Loading | None:
        """See `Worker`."""
        with contextlib.suppress(exceptions.RayError):
            if self._asked is None:
                self._asked = self._controlled(self._actor.loading).remote()
            elif ray.wait([self._asked], timeout=0)[0]:
                asked, self._asked = self._asked, None
                self._loading = ray.get(asked)
        return self._loading

    def apply(self, command: Adjustment) -> None:
        """See `Worker`."""
        self._controlled(self._actor.apply).remote(command)

    def end(self) -> None:
        """See `Worker`."""
        self.answers = self._asked = None
        ray.kill(self._actor)

    def _streamed(self, method: Any) -> Any:
        return method.options(num_returns="streaming", concurrency_group="work")

    def _controlled(self, method: Any) -> Any:
        return method.options(concurrency_group="control")


def nodes() -> list[dict[str, Any]]:
    """The machines of the cluster, as Ray describes them."""
    found: list[dict[str, Any]] = ray.nodes()
    return found


def ready(workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
    """Those from which something can be taken, once there is one; none after so many seconds."""
    streams = {id(one.answers): one for one in workers if isinstance(one, RayWorker)}
    waiting = [one.answers for one in streams.values()]
    if not ray.wait(waiting, timeout=seconds)[0]:
        return []
    found, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
    return [streams[id(stream)] for stream in found]


def _how(error: exceptions.RayError) -> str:
    """How it was lost, in a few words: Ray's own fill a page."""
    if isinstance(error, exceptions.OutOfMemoryError) or "OutOfMemory" in str(error):
        return "its machine ran out of memory"
    if "its node has died" in str(error):
        return "its machine is gone"
    if isinstance(error, exceptions.ActorUnavailableError):
        return "its machine cannot be reached"
    return "its process died"

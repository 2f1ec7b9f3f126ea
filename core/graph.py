"""Work on tensors that stay where they are: recorded once on a GPU, then launched whole.

A decoding step is some thousand small kernels, and launching them one by one takes a
host far longer than computing them takes a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from core.errors import first_line

WARM_UPS = 3
# Recorded and not, the kernels are the same; libraries may choose others for their workspace.
TOLERANCE = 0.02


class Graphs:
    """Records work on one device; all that is recorded shares one pool of memory.

    Where there is nothing to record with, or recording has failed (`trouble` says why), the
    work is done as it stands.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.trouble: str | None = None
        # One stream as well as one pool: freed blocks of a pool go to the stream they came from.
        self._place: tuple[Any, torch.cuda.Stream] | None = None
        if device.type == "cuda" and torch.cuda.is_available():
            torch.cuda.set_device(device)  # streams and events are those of the current one

    def forget(self) -> None:
        """Take new memory from now on; nothing that was recorded may be used any more."""
        self._place = None

    def record(
        self, work: Callable[[], None], state: Sequence[Tensor], results: Sequence[Tensor]
    ) -> Callable[[], None]:
        """Something to call instead of `work`.

        To warm up and to be checked the work is done some times; each time `state`
        is put back. What it leaves in `results` must be the same when it was recorded.
        """
        if self.device.type != "cuda" or self.trouble is not None:
            return work
        saved = [tensor.clone() for tensor in state]

        def again(how: Callable[[], None]) -> list[Tensor]:
            for tensor, value in zip(state, saved, strict=True):
                tensor.copy_(value)
            how()
            found = [tensor.clone() for tensor in results]
            for tensor, value in zip(state, saved, strict=True):
                tensor.copy_(value)
            return found

        try:
            recorded = self._capture(work, again)
            expected, found = again(work), again(recorded)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.trouble = first_line(_cause(error))
            return work
        if not all(map(_same, expected, found)):
            self.trouble = "what was recorded gives other numbers"
            return work
        return recorded

    def _capture(
        self, work: Callable[[], None], again: Callable[[Callable[[], None]], object]
    ) -> Callable[[], None]:
        if self._place is None:
            stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            self._place = torch.cuda.graph_pool_handle(), stream
        pool, aside = self._place
        current = torch.cuda.current_stream(self.device)
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                again(work)
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=aside):
                work()
        finally:
            torch.cuda.set_stream(current)  # torch leaves the other one where it fails
        replay: Callable[[], None] = graph.replay
        return replay


def _cause(error: BaseException) -> BaseException:
    """What went wrong first: that a recording was broken off is said on top of it."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.double(), b.double(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


class Mailbox:
    """Brings what a device computes to the host without stopping either; two may be under way."""

    def __init__(self, like: Tensor) -> None:
        on_gpu = like.is_cuda
        self._boxes = [
            torch.empty(like.shape, dtype=like.dtype, pin_memory=on_gpu) for _ in range(2)
        ]
        events = (torch.cuda.Event() for _ in range(2))  # type: ignore[no-untyped-call]
        self._events = list(events) if on_gpu else []
        self._turn = 0

    def send(self, what: Tensor) -> Callable[[], list[list[float]]]:
        """Set out with `what` as it will be when all work so far is done; returns a way to wait."""
        self._turn = turn = 1 - self._turn
        box = self._boxes[turn]
        box.copy_(what, non_blocking=True)
        if self._events:
            self._events[turn].record()

        def wait() -> list[list[float]]:
            if self._events:
                self._events[turn].synchronize()
            rows: list[list[float]] = box.tolist()
            return rows

        return wait

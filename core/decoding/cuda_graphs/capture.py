"""CUDA graphs of work on tensors that stay where they are: captured once, then launched whole.

A decoding step is some thousand small kernels, and launching them one by one takes a
host far longer than computing them takes a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from logit_amp_chat.core.errors import first_line

Work = Callable[[], None]
WARM_UPS = 3
TIMES = 5
# The kernels are the same, captured or not; libraries may choose others for their workspace.
TOLERANCE = 0.02


class GraphCapturer:
    """Captures work on one device; all graphs share one pool of memory.

    Without a GPU, or once capturing has failed (`failure` says why), work runs as it stands.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.failure: str | None = None
        # One stream as well as one pool: freed blocks of a pool go to the stream they came from.
        self._place: tuple[Any, torch.cuda.Stream] | None = None
        # To take a graph away may free memory that others of its stream work in.
        self._unused: list[object] = []
        if device.type == "cuda" and torch.cuda.is_available():
            torch.cuda.set_device(device)  # streams and events are those of the current one

    def forget(self) -> None:
        """Take new memory from now on; no graph captured before may be used any more."""
        self._place = None
        self._unused.clear()

    def capture(
        self, variants: Sequence[Work], state: Sequence[Tensor], results: Sequence[Tensor]
    ) -> Work:
        """Capture each variant of one work, check that they agree, return the fastest.

        The work runs several times, to warm up, to be checked and to be timed; `state` is
        restored each time. A variant agrees where it leaves the same in `results` as the
        first one, run as it stands.
        """
        first, *others = variants
        if self.device.type != "cuda" or self.failure is not None:
            return first
        saved = [tensor.clone() for tensor in state]

        def again(how: Work) -> list[Tensor]:
            try:
                how()
                return [tensor.clone() for tensor in results]
            finally:
                for tensor, value in zip(state, saved, strict=True):
                    tensor.copy_(value)

        try:
            recorded = [self._capture(first, again)]
            expected = again(first)
            same = all(map(_same, expected, again(recorded[0])))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.failure = first_line(_cause(error))
            return first
        if not same:
            self._unused += recorded
            self.failure = "the captured graph gives other numbers"
            return first
        for other in others:
            with contextlib.suppress(RuntimeError):  # out of memory too: it can be done without
                variant = self._capture(other, again)
                agrees = all(map(_same, expected, again(variant)))
                (recorded if agrees else self._unused).append(variant)
        times = [self._seconds(variant, again) for variant in recorded] if others else [0.0]
        return CapturedWork(recorded[times.index(min(times))], tuple(recorded))

    def _seconds(self, variant: Work, again: Callable[[Work], object]) -> float:
        """What it takes on the device, the best of some times."""
        times: list[float] = []
        for _ in range(TIMES):
            began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

            def timed(began: Any = began, ended: Any = ended) -> None:
                began.record()
                variant()
                ended.record()

            again(timed)
            ended.synchronize()
            times.append(began.elapsed_time(ended) / 1000)
        return min(times)

    def _capture(self, work: Work, again: Callable[[Work], object]) -> Work:
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
        self._unused.append(graph)
        try:
            with torch.cuda.graph(graph, pool=pool, stream=aside):
                work()
        finally:
            torch.cuda.set_stream(current)  # torch leaves the other one where it fails
        self._unused.remove(graph)
        replay: Work = graph.replay
        return replay


@dataclass(frozen=True)
class CapturedWork:
    """Captured work; the variants that were not the fastest stay beside it."""

    run: Work
    variants: tuple[Work, ...]

    def __call__(self) -> None:
        """Do the work."""
        self.run()

    @property
    def variant(self) -> int:
        """Which of the variants is the fastest here."""
        return self.variants.index(self.run)


def _cause(error: BaseException) -> BaseException:
    """What went wrong first: that the capture was broken off is said on top of it."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.double(), b.double(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)

"""CUDA graphs of work on tensors at fixed addresses: captured once, then launched as a whole.

A decoding step is about a thousand small kernels, and the host takes far longer to
launch them one by one than a GPU takes to compute them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.streams import stream_for
from logit_amp_chat.core.errors import first_line

Work = Callable[[], None]
WARM_UPS = 3
TIMES = 5
# Captured kernels are the eager ones, but libraries may pick others to fit their workspace.
TOLERANCE = 0.02


class GraphCapturer:
    """Captures work on one device; all graphs share one memory pool.

    Without a GPU, or once capturing has failed (`failure` says why), work runs eagerly.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.failure: str | None = None
        # One stream as well as one pool: a pool's freed blocks return to their stream.
        self._place: tuple[Any, torch.cuda.Stream] | None = None
        # Kept alive: deleting a graph may free memory that others of its stream use.
        self._unused: list[object] = []
        if device.type == "cuda" and torch.cuda.is_available():
            torch.cuda.set_device(device)  # streams and events belong to the current device

    def forget(self) -> None:
        """Use new memory from now on; graphs captured before must not be launched any more."""
        self._place = None
        self._unused.clear()

    def capture(
        self, variants: Sequence[Work], state: Sequence[Tensor], results: Sequence[Tensor]
    ) -> Work:
        """Capture each variant of the same work, check that they agree, return the fastest.

        The work runs several times, for warm-up, checks and timing; `state` is restored
        each time. A variant agrees if its `results` are those of the first one run eagerly,
        within `TOLERANCE`.
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
            captured = [self._capture(first, again)]
            expected = again(first)
            same = all(map(_same, expected, again(captured[0])))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.failure = first_line(_cause(error))
            return first
        if not same:
            self._unused += captured
            self.failure = "the captured graph gives other numbers"
            return first
        for other in others:
            with contextlib.suppress(RuntimeError):  # also out of memory: a variant is optional
                variant = self._capture(other, again)
                agrees = all(map(_same, expected, again(variant)))
                (captured if agrees else self._unused).append(variant)
        seconds = [self._seconds(variant, again) for variant in captured] if others else []
        return CapturedWork(tuple(captured), tuple(seconds))

    def _seconds(self, variant: Work, again: Callable[[Work], object]) -> float:
        """Seconds on the device, the best of `TIMES` runs."""
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
            self._place = torch.cuda.graph_pool_handle(), stream_for("capture", self.device)
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
            torch.cuda.set_stream(current)  # on failure torch leaves the other one current
        self._unused.remove(graph)
        replay: Work = graph.replay
        return replay


@dataclass(frozen=True)
class CapturedWork:
    """The fastest of some captured variants; the others are kept.

    `seconds` is the time of each on the device; () where there was nothing to choose from.
    """

    variants: tuple[Work, ...]
    seconds: tuple[float, ...]

    def __call__(self) -> None:
        """Launch it."""
        self.variants[self.variant]()

    @property
    def variant(self) -> int:
        """Index of the fastest variant."""
        return self.seconds.index(min(self.seconds)) if self.seconds else 0


def _cause(error: BaseException) -> BaseException:
    """The first error: torch raises another on top of it when a capture breaks off."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.double(), b.double(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)

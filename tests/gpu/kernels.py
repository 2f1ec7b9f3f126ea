"""Where the time of a step goes: its dearest kernels, its launches, and the gaps between them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.records import Step
from tests.gpu.pairs import Measured, Place, decoded, uncaptured
from tests.gpu.results import Finding

DEAREST = 10
LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpyAsync")
Interval = tuple[float, float]


def findings(measured: Measured, place: Place) -> Iterator[Finding]:
    """A captured token and an eager one, for one lane."""
    subject = measured.subject(place)
    for name, mode in (("captured", contextlib.nullcontext), ("eager", uncaptured)):
        with mode():
            engine = LocalEngine.checked(subject.profile, subject.pair)
            yield {"name": name, **profiled(engine, 4 if place.small else 16)}


def profiled(engine: LocalEngine, tokens: int) -> dict[str, Any]:
    """Kernels, launches and gaps of a token, as the mean of some of a reply."""
    list(decoded(engine, 1, tokens + 4))  # captures what is missing
    events = decoded(engine, 1, tokens + 4)
    seen = 0
    on_gpu = engine.pair.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    _until_step(events, 2)
    with profile(activities=activities) as found:
        seen = _until_step(events, tokens)
        if on_gpu:
            torch.cuda.synchronize()
    list(events)
    return described(found.events() or (), seen, DeviceType.CUDA if on_gpu else DeviceType.CPU)


def described(events: Sequence[Any], tokens: int, device: DeviceType) -> dict[str, Any]:
    """What the profiler saw, for one of `tokens` tokens; times in µs."""
    kernels = [event for event in events if event.device_type == device]
    by_name: dict[str, list[float]] = defaultdict(list)
    for kernel in kernels:
        by_name[kernel.name].append(kernel.time_range.end - kernel.time_range.start)
    dearest = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:DEAREST]
    spans = [(kernel.time_range.start, kernel.time_range.end) for kernel in kernels]
    busy, whole = covered(spans)
    launches = sum(event.name in LAUNCHES for event in events)
    return {
        "tokens": tokens,
        "kernels": round(len(kernels) / tokens, 1),
        "launches": round(launches / tokens, 1),
        "busy_us": round(busy / tokens, 1),
        "gaps_us": round((whole - busy) / tokens, 1),
        "dearest": [
            {
                "kernel": name,
                "count": round(len(times) / tokens, 1),
                "us": round(sum(times) / tokens, 1),
            }
            for name, times in dearest
        ],
    }


def covered(spans: Sequence[Interval]) -> tuple[float, float]:
    """The time in which at least one span runs, and that from the first to the last."""
    busy, end = 0.0, float("-inf")
    for begins, ends in sorted(spans):
        busy += max(0.0, ends - max(begins, end))
        end = max(end, ends)
    return busy, end - min(begins for begins, _ in spans) if spans else 0.0


def _until_step(events: Iterator[Event], count: int) -> int:
    """Go on for this many tokens; returns how many there were."""
    seen = 0
    for event in events:
        seen += isinstance(event, Step)
        if seen == count:
            break
    return seen

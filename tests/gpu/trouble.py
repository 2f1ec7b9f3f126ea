"""What may go wrong on a card: memory that ends in mid-reply, a killed engine, another replay."""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from unittest import mock

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.protocol import Event, Failed, Opened
from logit_amp_chat.core.records import Finish, Step
from tests.gpu import smoke
from tests.gpu.pairs import Measured, Place, decoded
from tests.gpu.results import Finding

SHAPE = Measured("smollm2-135m", "none")
LANES = 8
SPARE = 64 << 20
"""Bytes that a reply may still take once it has begun: less than its next, larger caches."""
SECONDS = 120.0
E = TypeVar("E")


def findings(place: Place) -> Iterator[Finding]:
    """Each kind of trouble, and whether nothing was lost."""
    yield {"name": "out of memory", **out_of_memory(place)}
    yield {"name": "killed engine", **killed(smoke.profile(place.device))}
    yield {"name": "replay", **replayed(place)}


def out_of_memory(place: Place) -> Finding:
    """Replies that grow over their caches while memory is capped, and one lane after them."""
    subject = SHAPE.subject(place)
    engine = LocalEngine.checked(subject.profile, subject.pair)
    room = 8 if place.small else 1000  # a little less than the first static cache
    replies = decoded(engine, LANES, 64, prompt=room)
    kept = [next(event for event in replies if isinstance(event, Step))]
    with capped() if place.device == "cuda" else failing():
        rest = list(replies)
        after = sum(isinstance(event, Step) for event in decoded(engine, 1, 8))
    kept += [event for event in rest if isinstance(event, Step)]
    errors = {str(event.error) for event in rest if isinstance(event, Finish)}
    return {
        "ok": after == 8 and len(errors) == 1 and "memory is used up" in errors.pop(),
        "tokens_kept": len(kept),
        "tokens_of_the_next_reply": after,
    }


@contextlib.contextmanager
def capped() -> Iterator[None]:
    """No more memory on the card than is in use, and a little."""
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + SPARE) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """The same without a card: the next step of several lanes finds no memory."""
    decode = PairRunner.decode

    def decoding(self: PairRunner, tokens: torch.Tensor) -> object:
        if len(tokens) > 1:
            raise torch.OutOfMemoryError
        return decode(self, tokens)

    with mock.patch.object(PairRunner, "decode", decoding):
        yield


def killed(profile: Profile) -> Finding:
    """An engine process killed in mid-reply; a new one says the same from the start."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def take(batch: Sequence[Event]) -> None:
        for event in batch:
            events.put(event)

    engine = EngineProcess(take)
    try:
        first = _until(engine, profile, events, 5)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        failed = _next(events, Failed)
        second = _until(engine, profile, events, 5)
    finally:
        engine.close()
    return {"ok": failed.fatal and first == second, "tokens": len(first), "said": failed.message}


def _until(
    engine: EngineProcess, profile: Profile, events: queue.SimpleQueue[Event], count: int
) -> list[int]:
    """The first tokens of a reply by a new engine process."""
    engine.open(profile)
    _next(events, Opened)
    engine.send(smoke.lanes(1.0))
    return [_next(events, Step).token for _ in range(count)]


def _next(events: queue.SimpleQueue[Event], kind: type[E]) -> E:
    """The next event of this kind. Raises queue.Empty where none comes."""
    while True:
        event = events.get(timeout=SECONDS)
        if isinstance(event, kind):
            return event
        if isinstance(event, Failed):
            raise RuntimeError(event.message)


def replayed(place: Place) -> Finding:
    """Three lanes that were recorded, decoded again by the command that verifies them."""
    command = [sys.executable, "-m", "logit_amp_chat"]
    ask = ["--prompt", "Tell me about penguins.", "--max-new-tokens", "40", "--seed", "5"]
    lanes = ["--alpha", "0", "--alpha", "1", "--alpha", "2", "--device", place.device, "--jsonl"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chat.jsonl")
        with path.open("w") as file:
            said = subprocess.run(
                [*command, "reply", *ask, *lanes], stdout=file, stderr=subprocess.PIPE, check=False
            )
        again = subprocess.run(
            [*command, "verify", str(path)], capture_output=True, text=True, check=False
        )
    last = (again.stdout or again.stderr).strip().splitlines()[-1:]
    return {"ok": said.returncode == again.returncode == 0, "said": " ".join(last)}

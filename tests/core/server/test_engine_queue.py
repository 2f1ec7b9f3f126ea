"""One request after the other, no more than fit, and none for a client that is gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.protocol import (
    Adjustment,
    Event,
    Failed,
    Forget,
    Idle,
    Noticed,
    Stop,
)
from logit_amp_chat.core.reading import NamesRequest
from logit_amp_chat.core.server.engine_queue import BusyError, EngineQueue, Job
from logit_amp_chat.core.server.limits import Limits

ASKED = NamesRequest((1,))


class Endless:
    """An engine that reports until it is stopped, once it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.begun = threading.Event()
        self.applied: list[Adjustment] = []
        self.said = 0

    def names(self, _request: NamesRequest) -> Iterator[Event]:
        self.begun.set()
        self.may.wait(60)
        while Stop() not in self.applied:
            self.said += 1
            yield Noticed("x" * 1000)
        self.applied.remove(Stop())
        yield Idle()

    def apply(self, command: Adjustment) -> None:
        self.applied.append(command)


@pytest.fixture
def engine() -> Iterator[Endless]:
    engine = Endless()
    yield engine
    engine.may.set()


def queue_of(engine: Endless, limits: Limits) -> EngineQueue:
    return EngineQueue(cast(Engine, engine), limits)


async def whole(job: Job) -> list[Event]:
    """Everything that a job reports."""
    found: list[Event] = []
    number, log = 0, job.log
    while not log.is_done(number):
        for entry in await log.after(number, 1.0):
            number = entry.number
            found.append(entry.event)
        log.acknowledge(number)
    return found


async def test_too_many_that_wait_are_refused(engine: Endless) -> None:
    queue = queue_of(engine, Limits(waiting=2))
    queue.submit([ASKED])
    assert await asyncio.to_thread(engine.begun.wait, 60)
    for _ in range(2):
        queue.submit([ASKED])

    with pytest.raises(BusyError):
        queue.submit([ASKED])

    engine.may.set()
    await asyncio.to_thread(queue.close)


async def test_a_client_that_fetches_nothing_holds_no_more_than_the_buffer(
    engine: Endless,
) -> None:
    queue = queue_of(engine, Limits(buffer=20_000))
    engine.may.set()
    job = queue.submit([ASKED])
    while not await job.log.after(15, 1.0):
        pass
    held = engine.said
    assert held * 1000 < 30_000
    job.log.acknowledge(10)
    while not await job.log.after(held, 1.0):
        pass
    await asyncio.to_thread(queue.close)


async def test_what_nobody_reads_is_ended(engine: Endless) -> None:
    queue = queue_of(engine, Limits(linger=0.0))
    engine.may.set()
    job = queue.submit([ASKED])

    while not job.log.is_done(job.log._last):
        await asyncio.to_thread(lambda: None)

    assert isinstance((await whole(job))[-1], Idle)
    await asyncio.to_thread(queue.close)


async def test_a_reader_that_takes_nothing_more_is_none(engine: Endless) -> None:
    queue = queue_of(engine, Limits(buffer=20_000, linger=0.2))
    engine.may.set()
    job = queue.submit([ASKED])
    while not await job.log.after(15, 1.0):  # and never again
        pass

    while not job.stopped:
        await asyncio.to_thread(lambda: None)

    await asyncio.to_thread(queue.close)


async def test_a_request_ends_after_its_time(engine: Endless) -> None:
    queue = queue_of(engine, Limits(seconds=0.0))
    engine.may.set()

    job = queue.submit([ASKED])
    events = await whole(job)

    assert job.timed_out
    assert isinstance(events[-1], Idle)
    await asyncio.to_thread(queue.close)


async def test_another_client_begins_from_empty_caches(engine: Endless) -> None:
    queue = queue_of(engine, Limits(seconds=0.0))
    engine.may.set()
    for client in ("a", "a", "b"):
        await whole(queue.submit([ASKED], client=client, fresh=False))

    assert engine.applied == [Forget(), Forget()]
    await asyncio.to_thread(queue.close)


async def test_an_engine_that_fails_is_an_event_and_the_next_request_is_answered() -> None:
    class Failing(Endless):
        def names(self, _request: NamesRequest) -> Iterator[Event]:
            raise RuntimeError("CUDA error") if not self.said else EngineError("It is gone.")
            yield Idle()

    engine = Failing()
    queue = queue_of(engine, Limits())

    (failed,) = await whole(queue.submit([ASKED]))
    assert isinstance(failed, Failed)
    assert failed.fatal
    assert "CUDA error" in failed.message
    engine.said = 1
    failed, idle = await whole(queue.submit([ASKED]))
    assert isinstance(failed, Failed)
    assert (failed.message, idle) == ("It is gone.", Idle())
    await asyncio.to_thread(queue.close)

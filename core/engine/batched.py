"""The requests of an engine in this process, all answered from one place."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Protocol

from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import AnyRequest, Event, Request, ScoreRequest
from logit_amp_chat.core.reading import NamesRequest, ReadRequest, StageReadRequest
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest


class Lifeline(Protocol):
    """A process that an engine needs: between requests it says something only if it failed.

    `beat` is called now and then while it computes one answer.
    """

    beat: Callable[[], None]

    def fileno(self) -> int:
        """The descriptor that can be read from then."""

    def check_alive(self) -> None:
        """Raise EngineError if it failed."""


class BatchedEngine(ABC):
    """An `Engine` whose answers come as batches of events, one per token.

    `lifeline` is the process that computes for it; None if there is none.
    """

    lifeline: Lifeline | None = None

    @abstractmethod
    def batches(self, request: AnyRequest) -> Generator[Sequence[Event], None, None]:
        """The events of a request. Raises as the methods of `Engine` do."""

    def generate(self, request: Request) -> Iterator[Event]:
        """Decode every lane: Replies, Prefill, Steps, a Finish per lane, any Noticed, Idle."""
        return _flat(self.batches(request))

    def score(self, request: ScoreRequest) -> Iterator[Event]:
        """Measure given tokens in every lane; the events are the same."""
        return _flat(self.batches(request))

    def openings(self, request: OpeningsRequest) -> Iterator[Event]:
        """Measure the next token: Prefill, one Opening unless it is stopped, then Idle."""
        return _flat(self.batches(request))

    def read(self, request: ReadRequest) -> Iterator[Event]:
        """Measure a text: its Document, ReadBlocks, TokenSums if wanted, a Finish, Idle."""
        return _flat(self.batches(request))

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        """Measure a text under stages of a chain: its Document, StageBlocks, a Finish, Idle."""
        return _flat(self.batches(request))

    def prompt(self, request: PromptRequest) -> Iterator[Event]:
        """Render a prompt: one PromptTokens, then Idle."""
        return _flat(self.batches(request))

    def names(self, request: NamesRequest) -> Iterator[Event]:
        """How token ids are written: one Names, then Idle."""
        return _flat(self.batches(request))

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        """Sample many replies at once: PromptReads, SampledReplies, SampleProgress, then Idle."""
        return _flat(self.batches(request))

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        """Measure replies that are there: a Rescored for each, then Idle."""
        return _flat(self.batches(request))


def _flat(batches: Generator[Sequence[Event], None, None]) -> Iterator[Event]:
    """One event after the other; ends with the batches, however it ends."""
    with contextlib.closing(batches):
        for batch in batches:
            yield from batch

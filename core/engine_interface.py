"""What every engine can be asked, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from logit_amp_chat.core import samples
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import Adjustment, Event, Opened, Request, ScoreRequest
from logit_amp_chat.core.reading import NamesRequest, ReadRequest, StageReadRequest


class Engine(Protocol):
    """An open pair that answers one request at a time, wherever it runs.

    Between two events the caller may `apply` an adjustment. It takes effect with the
    next token; if that may already be computed (on a GPU, behind a pipe), with a later one.
    """

    @property
    def opened(self) -> Opened:
        """The session's record, and what the user should know."""

    def generate(self, request: Request) -> Iterator[Event]:
        """Decode every lane: Replies, Prefill, Steps, a Finish per lane, then Idle.

        Before the first reply of other stages than the engine's pair comes their Session.
        Raises LogitAmpError before the first event if the request cannot be answered
        (ContextError: the conversation is longer than the context), EngineError if
        the engine is gone.
        """

    def score(self, request: ScoreRequest) -> Iterator[Event]:
        """Measure given tokens without sampling; events and errors are those of `generate`."""

    def openings(self, request: OpeningsRequest) -> Iterator[Event]:
        """Measure the next token: Prefill, one Opening unless it is stopped, then Idle.

        What it computes is never used for a reply, whose last digits depend on the
        requests before it. Raises as `generate` does, and LogitAmpError in place of the Opening.
        """

    def read(self, request: ReadRequest) -> Iterator[Event]:
        """Measure a text: its Document, ReadBlocks in order, TokenSums if wanted, Finish, Idle.

        The numbers are those of whole passes over the text's windows, whatever was asked
        before. Raises LogitAmpError before the first event if the text cannot be read, and
        later where a number is none.
        """

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        """Measure a text under stages of a chain: its Document, StageBlocks, Finish, Idle.

        Where not all stages fit into memory at once, the blocks of the first ones come first.
        Raises as `read` does, and UsageError for a stage that there is not, or without a chain.
        """

    def prompt(self, request: PromptRequest) -> Iterator[Event]:
        """Render a prompt: one PromptTokens, then Idle. Nothing is computed.

        Raises LogitAmpError if the template refuses the messages.
        """

    def names(self, request: NamesRequest) -> Iterator[Event]:
        """How token ids are written: one Names, then Idle."""

    def sample(self, request: samples.SampleRequest) -> Iterator[Event]:
        """Sample many replies at once: a PromptRead for each prompt before its first reply.

        A SampledReply for each draw as it ends, which is not the order of the request, and
        SampleProgress in between, then Idle. Stop ends all of them, Drain begins no more.
        Raises UsageError for a draw whose α is not in the grid, and as `generate` does.
        """

    def rescore(self, request: samples.RescoreRequest) -> Iterator[Event]:
        """Measure replies that are there: a Rescored for each, in their order, then Idle.

        Raises UsageError for tokens that the pair does not have or that do not fit its context.
        """

    def apply(self, command: Adjustment) -> None:
        """Change the request in progress; without one, only Forget has an effect."""

    def close(self) -> None:
        """Free the models; closing twice is fine."""

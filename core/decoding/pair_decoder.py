"""What an engine needs of whatever computes the passes of its pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from logit_amp_chat.core.decoding.reply_progress import AskedPrompt
from logit_amp_chat.core.decoding.reply_rescorer import ReplyRescorer
from logit_amp_chat.core.decoding.request_state import Batch, Controls
from logit_amp_chat.core.decoding.text_reader import TextReader
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.reading import ReadRequest
from logit_amp_chat.core.records import Reply
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.turn_ends import TurnEnds


class Sampler(Protocol):
    """Samples the replies of one request."""

    def run(self) -> Iterator[Sequence[Event]]:
        """The events of the request, a batch a step."""


class PairDecoder(Protocol):
    """Decodes lanes, reads texts and samples replies over one pair; see `Decoder`."""

    def decode(
        self,
        replies: Sequence[Reply],
        controls: Controls,
        forced: tuple[int, ...] = (),
        ahead: bool = True,
        turn_ends: TurnEnds | None = None,
    ) -> Iterator[Batch]:
        """Stream the lanes of `replies`, one batch per token."""

    def score(
        self, replies: Sequence[Reply], controls: Controls, tokens: tuple[int, ...]
    ) -> Iterator[Batch]:
        """Measure given tokens after a prompt, in every lane."""

    def opening(self, reply: Reply, controls: Controls, path: tuple[int, ...]) -> Iterator[Batch]:
        """Measure the tokens of `path` and the likeliest one after it."""

    def text_reader(self, request: ReadRequest, found: DocumentTokens) -> TextReader:
        """Reads a text. Raises UsageError and LogitAmpError for one that cannot be read."""

    def rescorer(self, request: RescoreRequest) -> ReplyRescorer:
        """Measures replies that are there. Raises UsageError for those that cannot be."""

    def sampler(
        self, request: SampleRequest, prompts: Sequence[AskedPrompt], controls: Controls
    ) -> Sampler:
        """Samples replies. Raises UsageError for prompts that cannot be answered."""

    def forget(self) -> None:
        """Drop every cached prefix."""

    @property
    def captures(self) -> bool:
        """Whether steps run as CUDA graphs."""

    @property
    def capture_failure(self) -> str | None:
        """Why steps that were to run as CUDA graphs do not; None if none failed."""

    def forward_seconds(self, lanes: int) -> tuple[float, ...]:
        """Seconds of a captured forward pass; () where none is."""

"""Samples what a sweep lacks, and writes every reply down as it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.plan import draws
from logit_amp_chat.core.experiments.sweep.prompts import sample_prompt
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.protocol import Adjustment, Drain, Event, Noticed
from logit_amp_chat.core.samples import (
    Given,
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SampleProgress,
    SamplePrompt,
    SampleRequest,
)
from logit_amp_chat.core.turn_ends import TurnEnds

RESCORED = 64
"""Replies that are measured with one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a sweep is: replies that are there, of all; rows in use, tokens of this run."""

    replies: int
    wanted: int
    rows: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A reply that could not be sampled, and why; it is tried again when the sweep goes on."""

    reply: str
    why: str


SweepEvent = SweepReply | Progress | Failed | Noticed


class Sampler(Protocol):
    """What a sweep needs of an `Engine`."""

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        """See `Engine`."""

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        """See `Engine`."""

    def apply(self, command: Adjustment) -> None:
        """See `Engine`."""


class Sweep:
    """The replies that a folder lacks: requests for an engine, and what becomes of its answers.

    Give every event of an engine that answers `requests` to `take`.
    """

    def __init__(self, folder: SweepFolder, *, rows: int | None = None) -> None:
        self.folder = folder
        self.failed: list[Failed] = []
        self.stopping = False
        """Whether nothing more is to be begun."""
        self.aborted = False
        """Whether replies that were begun were given up."""
        self.tokens = 0
        self._rows = rows
        self._lacking: tuple[float, ...] = ()
        self._began, self._sampled = time.monotonic(), 0  # of this run: when, and its tokens
        self._live = 0

    @property
    def wanted(self) -> int:
        """Replies that there will be."""
        return self.folder.settings.replies_to(len(self.folder.prompts))

    @property
    def is_complete(self) -> bool:
        """Whether every reply that is wanted is there."""
        return len(self.folder.contents.there) >= self.wanted

    def requests(self) -> Iterator[SampleRequest | RescoreRequest]:
        """What is to be asked, one after the other; ask for the next after the last answer.

        First the replies, then old ones at αs that were added.
        """
        request = self._samples()
        if request is not None and not self.stopping:
            was_settled = self.folder.contents.settled
            self._began = time.monotonic()
            yield request
            if self._has_settled(was_settled):
                self.folder.settle(time.monotonic() - self._began, self._sampled)
        elif self.is_complete and not self.folder.contents.settled:
            self.folder.settle(0.0, 0)  # a run was killed after its last reply
        for rescore in self._rescores():
            if self.stopping:
                return
            yield rescore

    def begin_no_more(self) -> None:
        """Ask for nothing more once the engine has answered."""
        self.stopping = True

    def take(self, event: Event) -> SweepEvent | None:
        """Write down what an engine reports; returns what there is to show of it."""
        match event:
            case PromptRead():
                self.folder.add_prompt(self.folder.prompts[event.prompt], event)
            case SampledReply(finish="cancelled"):
                self.aborted = True
            case SampledReply(finish="error", reply=name, error=why):
                failed = Failed(name, why or "it broke off")
                self.failed.append(failed)
                return failed
            case SampledReply():
                return self._add(event)
            case Rescored():
                self.folder.add_scores(self._lacking, event)
            case SampleProgress(rows=rows, tokens=tokens):
                self.tokens, self._live = tokens, rows
                return self.progress
            case Noticed():
                return event
            case _:
                pass
        return None

    @property
    def progress(self) -> Progress:
        """How far it is."""
        there = len(self.folder.contents.there)
        return Progress(replies=there, wanted=self.wanted, rows=self._live, tokens=self.tokens)

    def _has_settled(self, was_settled: bool) -> bool:
        """Whether no reply is missing because it was long, or broke off.

        What an earlier run lost while it was decoded is only known to be there once all is.
        """
        whole = was_settled and not self.aborted and not self.failed
        return whole or self.is_complete

    def _add(self, sampled: SampledReply) -> SweepReply:
        reply = SweepReply(
            id=sampled.reply,
            prompt=self.folder.prompts[sampled.prompt].id,
            alpha=sampled.alpha,
            n=int(sampled.reply.rpartition(":")[2]),
            seed=sampled.seed,
            tokens=sampled.tokens,
            text=sampled.text,
            lengths=sampled.lengths,
            finish=sampled.finish,
            grid=self.folder.settings.grid,
            log_q=sampled.log_probs.q,
            before=sampled.log_probs.before,
            after=sampled.log_probs.after,
            kl=sampled.log_probs.kl,
            steps=sampled.steps,
        )
        self.folder.add(reply)
        self._sampled += len(reply.tokens)
        return reply

    def _asked(self, prompt: SweepPrompt) -> SamplePrompt:
        """A prompt; with the ids that replies to it have answered, if there are any."""
        found = self.folder.contents
        ids, forced = found.ids.get(prompt.id), found.forced.get(prompt.id, 0)
        return replace(sample_prompt(prompt), ids=ids, forced=forced)

    def _samples(self) -> SampleRequest | None:
        settings, prompts = self.folder.settings, self.folder.prompts
        wanted = tuple(draws(settings, prompts, self.folder.contents.there))
        if not wanted:
            return None
        return SampleRequest(
            prompts=tuple(map(self._asked, prompts)),
            draws=wanted,
            sampling=settings.sampling,
            grid=settings.grid,
            amplify_first=settings.amplify_first,
            rows=self._rows,
            top=settings.top,
            time=self.folder.time,
            template=self.folder.template,
            turn_ends=TurnEnds.of(self.folder.contents.session),
        )

    def _rescores(self) -> Iterator[RescoreRequest]:
        """Requests for what replies lack at αs of the grid, a few replies in each."""
        wanted = {*self.folder.settings.grid}
        if all(wanted <= {*grid} for grid in self.folder.contents.grids):
            return
        block: list[SweepReply] = []
        for reply in self.folder.replies():
            lacking = tuple(a for a in self.folder.settings.grid if a not in reply.grid)
            if not lacking or not reply.tokens:
                continue
            if block and (lacking != self._lacking or len(block) == RESCORED):
                yield self._rescore(block)
                block = []
            self._lacking = lacking
            block.append(reply)
        if block:
            yield self._rescore(block)

    def _rescore(self, replies: Sequence[SweepReply]) -> RescoreRequest:
        ids, settings = self.folder.contents.ids, self.folder.settings
        if lost := next((one.prompt for one in replies if one.prompt not in ids), None):
            raise LogitAmpError(
                f"The ids of prompt {lost} are damaged in the folder, so its replies cannot be"
                " measured at further αs.",
                "Give one more with --samples: then the prompt is read again.",
            )
        return RescoreRequest(
            replies=tuple(
                Given(reply=one.id, ids=ids[one.prompt], tokens=one.tokens) for one in replies
            ),
            sampling=settings.sampling,
            grid=self._lacking,
            amplify_first=settings.amplify_first,
        )


def run(engine: Sampler, sweep: Sweep) -> Iterator[SweepEvent]:
    """Everything that there is to show of a sweep, as it comes. Raises LogitAmpError."""
    for request in sweep.requests():
        events = (
            engine.sample(request)
            if isinstance(request, SampleRequest)
            else engine.rescore(request)
        )
        told = False
        for event in events:
            # An engine that had not begun yet when it was told to stop has not heard it.
            if sweep.stopping and not told:
                engine.apply(Drain())
                told = True
            if (shown := sweep.take(event)) is not None:
                yield shown

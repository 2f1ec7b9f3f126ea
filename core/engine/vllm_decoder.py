"""A `PairDecoder` whose passes vLLM computes: every lane is a request of its engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from logit_amp_chat.core.decoding import limits
from logit_amp_chat.core.decoding.pair_decoder import Sampler
from logit_amp_chat.core.decoding.repetition import Penalties, breakers_of
from logit_amp_chat.core.decoding.reply_progress import AskedPrompt
from logit_amp_chat.core.decoding.reply_rescorer import ReplyRescorer, reply_settings
from logit_amp_chat.core.decoding.request_state import (
    Batch,
    Controls,
    PendingStep,
    RequestState,
    StepSettings,
)
from logit_amp_chat.core.decoding.text_reader import TextReader, text_settings
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.engine.vllm_reader import VllmReader
from logit_amp_chat.core.engine.vllm_sampler import ROWS, VllmSampler
from logit_amp_chat.core.errors import EngineError, LogitAmpError, UsageError
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Prefill
from logit_amp_chat.core.reading import ReadRequest
from logit_amp_chat.core.records import PromptIds, Reply
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.turn_ends import TurnEnds

OWN_PROMPTS = "vLLM gives both sides one prompt, and here they have prompts of their own."
USE_LOCAL = "Use engine: local (--engine local)."
# Windows of a text that vLLM is given at once.
WINDOWS = 8


class VllmDecoder:
    """Decodes lanes in lockstep, a step of vLLM's at a time; settings change between two steps."""

    def __init__(self, pair: Pair, process: VllmProcess) -> None:
        self.pair = pair
        self._process = process

    def decode(
        self,
        replies: Sequence[Reply],
        controls: Controls,
        forced: tuple[int, ...] = (),
        ahead: bool = True,
        turn_ends: TurnEnds | None = None,
    ) -> Iterator[Batch]:
        """See `PairDecoder`; nothing is computed ahead."""
        limits.check(self.pair, replies[0].prompt, forced)
        return self._lanes(replies, controls, forced, turn_ends or self.pair.turn_ends)

    def score(
        self, replies: Sequence[Reply], controls: Controls, tokens: tuple[int, ...]
    ) -> Iterator[Batch]:
        """See `PairDecoder`; a pass a token."""
        if not tokens:
            raise LogitAmpError("There is nothing to score.", "Give at least one token.")
        limits.check(self.pair, replies[0].prompt, tokens, room=0)
        return self._lanes(replies, controls, tokens, TurnEnds(), len(tokens))

    def opening(self, reply: Reply, controls: Controls, path: tuple[int, ...]) -> Iterator[Batch]:
        """See `PairDecoder`; a pass a token of `path`."""
        limits.check(self.pair, reply.prompt, path)
        return self._lanes([reply], controls, path, TurnEnds(), len(path) + 1)

    def text_reader(self, request: ReadRequest, found: DocumentTokens) -> TextReader:
        """See `PairDecoder`; vLLM reads as many windows in a step as fit into one."""
        self._check_reads()
        _check_prompts([found.prompt])
        settings = text_settings(request)
        reader = VllmReader(self._process, self.pair.size, settings, at_once=WINDOWS)
        return TextReader(self.pair, reader, settings, request, found)

    def rescorer(self, request: RescoreRequest) -> ReplyRescorer:
        """See `PairDecoder`; as many replies at once as a sweep samples."""
        self._check_reads()
        _check_prompts(given.ids for given in request.replies)
        settings = reply_settings(self.pair, request)
        reader = VllmReader(self._process, self.pair.size, settings, at_once=ROWS)
        return ReplyRescorer(reader, request)

    def sampler(
        self, request: SampleRequest, prompts: Sequence[AskedPrompt], controls: Controls
    ) -> Sampler:
        """See `PairDecoder`."""
        _check_prompts(prompt.ids for prompt in prompts)
        return VllmSampler(self.pair, self._process, request, prompts, controls)

    def forget(self) -> None:
        """Empty vLLM's prefix cache."""
        self._process.ask("forget")

    @property
    def captures(self) -> bool:
        """False: what vLLM captures is its own matter."""
        return False

    @property
    def capture_failure(self) -> str | None:
        """None."""
        return None

    def forward_seconds(self, lanes: int) -> tuple[float, ...]:
        """No pass is timed."""
        return ()

    def _check_reads(self) -> None:
        if not self._process.facts.get("reads_texts", True):
            raise UsageError("This model runner of vLLM's does not measure texts.", USE_LOCAL)

    def _lanes(
        self,
        replies: Sequence[Reply],
        controls: Controls,
        given: tuple[int, ...],
        turn_ends: TurnEnds,
        length: int | None = None,
    ) -> Iterator[Batch]:
        """Check what vLLM cannot do now, and decode when asked to."""
        _check_prompts([replies[0].prompt])
        return self._guarded_lanes(replies, controls, given, turn_ends, length)

    def _guarded_lanes(
        self,
        replies: Sequence[Reply],
        controls: Controls,
        given: tuple[int, ...],
        turn_ends: TurnEnds,
        length: int | None,
    ) -> Iterator[Batch]:
        """Whatever goes wrong, give every lane a Finish and let its request go."""
        held = replace(controls, alphas=dict(controls.alphas))
        held.stopped = controls.stopped  # one set: a stop needs no token
        state = RequestState(self.pair, replies, held, turn_ends, length)
        try:
            if cancelled := state.end_cancelled():
                yield [*cancelled]
            if state.active:
                # Ends among given tokens end nothing: vLLM is to go on after those.
                stops = turn_ends.ids if turn_ends.ids.isdisjoint(given) else frozenset()
                lanes = _Lanes(self._process, state, replies, controls, given)
                yield from lanes.run(sorted(stops))
        except EngineError as error:
            yield state.abort(str(error))
            raise
        except LogitAmpError as error:
            yield state.abort(str(error))


def _check_prompts(prompts: Iterable[PromptIds]) -> None:
    """Raises UsageError for prompts that differ from side to side."""
    if any(prompt.before != prompt.after for prompt in prompts):
        raise UsageError(OWN_PROMPTS, USE_LOCAL)


class _Lanes:
    """The lanes of one request, and their requests of vLLM's."""

    def __init__(
        self,
        process: VllmProcess,
        state: RequestState,
        replies: Sequence[Reply],
        controls: Controls,
        given: tuple[int, ...],
    ) -> None:
        """`controls` are the caller's; what is in force is in those of `state`."""
        self._process, self._state, self._controls = process, state, controls
        self._replies, self._given = replies, given
        self._sent: dict[str, Any] | None = None
        self._begun: set[str] = set()
        self._rows: dict[str, list[float]] = {}
        self._furthest = -1

    def run(self, stops: Sequence[int]) -> Iterator[Batch]:
        """A batch a token; those of given tokens are one.

        A lane that is ahead of others stops at any of `stops`, so that it leaves them the cache.
        """
        prompt = self._replies[0].prompt.after
        yield [Prefill(0, len(prompt)), *self._state.end_cancelled()]
        self._begin(prompt, stops)
        try:
            yield from self._batches(Prefill(0, len(prompt)), Prefill(len(prompt), len(prompt)))
        finally:
            with contextlib.suppress(EngineError):  # what went wrong first is what is told
                self._let_go(everything=True)

    def _batches(self, reading: Prefill, read: Prefill) -> Iterator[Batch]:
        """The batches of all tokens; `reading` and `read` are told of the prompt."""
        state = self._state
        batch: Batch = self._cancelled()
        while state.active:
            first, settings = state.index == 0, self._settings()
            for _ in self._passes(settings):
                yield [reading]  # a sign of life, and an occasion to stop
                batch += self._cancelled()
            batch = [read, *batch] if first else batch
            if state.active:
                batch += state.collect(self._pending(settings))
                self._let_go()
            if state.index >= len(self._given) or not state.active:
                yield batch
                batch = []
            batch += self._cancelled()
        if batch:
            yield batch

    def _begin(self, prompt: Sequence[int], stops: Sequence[int]) -> None:
        active = {lane.reply for lane in self._state.active}
        lanes = [
            {
                "name": r.id,
                "seed": r.sampling.seed,
                "turn": r.turn,
                "alpha": r.alpha,
                "start": 0,
                "forced": [*self._given],
            }
            for r in self._replies
            if r.id in active
        ]
        self._begun = active
        self._process.ask("begin", lanes, [*prompt], [*stops])

    def _settings(self) -> StepSettings:
        """The settings of the next token."""
        state = self._state
        if state.index > self._furthest:  # no lane has this token yet: changes take effect
            state.controls.alphas.update(self._controls.alphas)
            state.controls.sampling = self._controls.sampling
        return state.next_settings()

    def _passes(self, settings: StepSettings) -> Iterator[None]:
        """Have every lane's token computed; yields between two passes."""
        message = self._message(settings)
        news, self._sent = (None if message == self._sent else message), message
        done: set[str] = set()
        while missing := self._missing(done):
            found, self._furthest = self._process.ask("step", settings.index, missing, news)
            news = None
            self._rows |= found
            done |= found.keys()
            if self._missing(done):
                yield

    def _missing(self, done: set[str]) -> list[str]:
        return [lane.reply for lane in self._state.active if lane.reply not in done]

    def _pending(self, settings: StepSettings) -> PendingStep:
        """The rows of all lanes; those of lanes that have ended are not read."""
        some = next(iter(self._rows.values()))
        rows = [self._rows.get(reply.id, some) for reply in self._replies]
        return PendingStep(settings, lambda: rows)

    def _message(self, settings: StepSettings) -> dict[str, Any]:
        penalties = Penalties.of(settings.sampling)
        breakers = breakers_of(self._state.pair, penalties) if penalties else ()
        names = [lane.reply for lane in self._state.lanes]
        return {
            "alphas": dict(zip(names, settings.alphas, strict=True)),
            "sampling": settings.sampling.model_dump(mode="json"),
            "top": self._replies[0].candidates,
            "breakers": [*breakers],
        }

    def _cancelled(self) -> Batch:
        ended = self._state.end_cancelled()
        self._let_go()
        return [*ended]

    def _let_go(self, everything: bool = False) -> None:
        """End the requests of lanes that have ended."""
        active = set() if everything else {lane.reply for lane in self._state.active}
        if ended := self._begun - active:
            self._begun -= ended
            self._process.ask("end", [*ended])

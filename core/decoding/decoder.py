"""Decodes the lanes of a request: prefill, then steps, as a stream of events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from logit_amp_chat.core.decoding import limits
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.cuda_graphs.graph_stepper import (
    GraphCache,
    GraphStepper,
    can_use_cuda_graphs,
)
from logit_amp_chat.core.decoding.given_reader import LocalReader, reading_sizes
from logit_amp_chat.core.decoding.pair_decoder import Sampler
from logit_amp_chat.core.decoding.pair_runner import (
    ALL_USES,
    CacheUses,
    PairRunner,
    prefill_chunk,
)
from logit_amp_chat.core.decoding.reply_measure import ReplyMeasures
from logit_amp_chat.core.decoding.reply_progress import AskedPrompt
from logit_amp_chat.core.decoding.reply_rescorer import ReplyRescorer, reply_settings
from logit_amp_chat.core.decoding.reply_sampler import ReplySampler
from logit_amp_chat.core.decoding.request_state import (
    Batch,
    Controls,
    PendingStep,
    RequestState,
)
from logit_amp_chat.core.decoding.rows_guard import RowsGuard
from logit_amp_chat.core.decoding.stepper import EagerStepper, Stepper, TokenChooser
from logit_amp_chat.core.decoding.text_measure import TextMeasure
from logit_amp_chat.core.decoding.text_reader import TextReader, text_settings
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Prefill
from logit_amp_chat.core.reading import ReadRequest
from logit_amp_chat.core.records import PromptIds, Reply
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.turn_ends import TurnEnds

# Tokens scored at once: all their logits are in memory together.
SCORE_WINDOW = 256


class Decoder:
    """A `PairDecoder` in this process: any number of lanes, one row each, in lockstep.

    α, temperature and filters can change at any token without a new prefill.
    """

    def __init__(
        self,
        pair: Pair,
        cuda_graphs: bool | None = None,
        uses: CacheUses = ALL_USES,
        trusts: bool = True,
    ) -> None:
        """`cuda_graphs`: whether to capture steps; None captures them where possible.

        `uses`: what the caches may be used for; `trusts`: whether that was not checked.
        """
        self.pair = pair
        self.runner = PairRunner(pair, uses)
        self._rows_guard = RowsGuard(pair, trusts)
        wanted = can_use_cuda_graphs(pair) if cuda_graphs is None else cuda_graphs
        self.graph_cache = GraphCache(pair, self.runner) if wanted else None

    def decode(
        self,
        replies: Sequence[Reply],
        controls: Controls,
        forced: tuple[int, ...] = (),
        ahead: bool = True,
        turn_ends: TurnEnds | None = None,
    ) -> Iterator[Batch]:
        """Stream events, one batch per token; `replies` are the lanes' records.

        All replies share one prompt, and end as `turn_ends` say (None: as the pair's do).
        Between two batches the caller may change `controls`: the change takes effect
        with the next token or, if the device may already be computing that one
        (`ahead`), with the one after it. Every lane ends with a Finish. Raises
        ContextError or LogitAmpError when called, before anything is computed, if the
        prompt cannot be used.
        """
        limits.check(self.pair, replies[0].prompt, forced)

        def decoded(state: RequestState) -> Iterator[Batch]:
            return self._decoded(state, replies, forced, ahead)

        return self._guarded(decoded, replies, controls, turn_ends or self.pair.turn_ends)

    def score(
        self, replies: Sequence[Reply], controls: Controls, tokens: tuple[int, ...]
    ) -> Iterator[Batch]:
        """Measure given tokens after a prompt, in every lane; nothing is sampled.

        An end of turn among them does not end a lane. Raises as `decode` does, and
        LogitAmpError if `tokens` is empty.
        """
        if not tokens:
            raise LogitAmpError("There is nothing to score.", "Give at least one token.")
        limits.check(self.pair, replies[0].prompt, tokens, room=0)

        def scored(state: RequestState) -> Iterator[Batch]:
            return self._scored(state, replies, tokens)

        return self._guarded(scored, replies, controls, TurnEnds(), len(tokens))

    def opening(self, reply: Reply, controls: Controls, path: tuple[int, ...]) -> Iterator[Batch]:
        """Measure the tokens of `path` and the likeliest one after it; nothing is sampled.

        No later reply uses what this computes. Raises as `decode` does.
        """
        limits.check(self.pair, reply.prompt, path)

        def opened(state: RequestState) -> Iterator[Batch]:
            return self._opened(state, reply, path)

        return self._guarded(opened, [reply], controls, TurnEnds(), len(path) + 1)

    def text_reader(self, request: ReadRequest, found: DocumentTokens) -> TextReader:
        """See `PairDecoder`; no cache of a reply is used or changed."""
        settings, (chunk, _) = text_settings(request), reading_sizes(self.pair)
        reader = LocalReader(self.runner, TextMeasure(self.pair, settings), chunk)
        return TextReader(self.pair, reader, settings, request, found)

    def rescorer(self, request: RescoreRequest) -> ReplyRescorer:
        """See `PairDecoder`; each reply is read in one pass."""
        measures = ReplyMeasures(self.pair, reply_settings(self.pair, request))
        chunk = prefill_chunk(self.pair.device)
        return ReplyRescorer(LocalReader(self.runner, measures, chunk), request)

    def sampler(
        self, request: SampleRequest, prompts: Sequence[AskedPrompt], controls: Controls
    ) -> Sampler:
        """See `PairDecoder`; rows are replaced one by one where the caches can be."""
        uses = self.runner.uses
        if any(prompt.ids.before != prompt.ids.after for prompt in prompts):
            uses = replace(uses, together=CacheUse.NONE)  # all rows of a batch alike
        longest = max((len(ids) for p in prompts for ids in (p.ids.before, p.ids.after)), default=0)
        longest += request.sampling.max_new_tokens
        ragged = not self._rows_guard.obstacle(uses, longest)
        return ReplySampler(self.pair, uses, ragged, request, prompts, controls)

    def forget(self) -> None:
        """Drop every cached prefix."""
        self.runner.forget()

    @property
    def captures(self) -> bool:
        """Whether steps run as CUDA graphs."""
        return self.graph_cache is not None and self.graph_cache.graphs.failure is None

    @property
    def capture_failure(self) -> str | None:
        """Why steps are no longer captured."""
        return self.graph_cache.graphs.failure if self.graph_cache else None

    def forward_seconds(self, lanes: int) -> tuple[float, ...]:
        """Seconds on the device of a captured forward pass of this many lanes.

        One side after the other, then both at once; () where there was no choice.
        """
        captured = self.graph_cache.captured_forwards(lanes) if self.graph_cache else []
        return captured[0].seconds if captured else ()

    def _guarded(
        self,
        body: Callable[[RequestState], Iterator[Batch]],
        replies: Sequence[Reply],
        controls: Controls,
        turn_ends: TurnEnds,
        length: int | None = None,
    ) -> Iterator[Batch]:
        """Whatever goes wrong, give every lane a Finish and leave the caches consistent."""
        state = RequestState(self.pair, replies, controls, turn_ends, length)
        try:
            if cancelled := state.end_cancelled():
                yield [*cancelled]
            if state.active:
                yield from body(state)
        except LogitAmpError as error:
            yield state.abort(str(error))
        except torch.OutOfMemoryError:
            self.forget()
            if self.graph_cache:
                self.graph_cache.forget()
            yield state.abort(
                "The GPU's memory is used up. Compare fewer lanes, shorten the"
                " conversation, or choose a smaller pair or quantization."
            )
        except Exception as error:
            self.forget()
            yield state.abort(f"{type(error).__name__}: {error}")
            raise
        except GeneratorExit:
            raise  # between two batches, where the caches are whole
        except BaseException:
            self.forget()  # an interrupt may have cut a forward pass off halfway
            raise
        finally:
            self._keep()

    def _keep(self) -> None:
        """Keep the caches for the next request, if memory allows."""
        try:
            if self.graph_cache:
                self.graph_cache.leave()
            self.runner.keep()
        except torch.OutOfMemoryError:
            self.forget()

    def _decoded(
        self, state: RequestState, replies: Sequence[Reply], forced: tuple[int, ...], ahead: bool
    ) -> Iterator[Batch]:
        yield from self._prefilled(state, replies[0].prompt, forced)
        chooser = TokenChooser(self.pair, replies)
        if forced and state.active:
            yield self._measured(state, chooser, forced)
        if state.active:
            yield from self._steps(state, self._stepper(chooser, replies, state.index), ahead)

    def _scored(
        self, state: RequestState, replies: Sequence[Reply], tokens: tuple[int, ...]
    ) -> Iterator[Batch]:
        """Score window by window, so that memory does not grow with the text."""
        prompt = replies[0].prompt
        chooser = TokenChooser(self.pair, replies)
        for begin in range(0, len(tokens), SCORE_WINDOW):
            read, window = tokens[:begin], tokens[begin : begin + SCORE_WINDOW]
            ids = PromptIds(before=prompt.before + read, after=prompt.after + read)
            # A token's logits are those at the position before it.
            yield from self._prefilled(state, ids, window[:-1])
            if not state.active:
                return
            yield self._measured(state, chooser, window)
            self.runner.keep()

    def _opened(self, state: RequestState, reply: Reply, path: tuple[int, ...]) -> Iterator[Batch]:
        yield from self._prefilled(state, reply.prompt, path, aside=True)
        chooser = TokenChooser(self.pair, [reply])
        if path and state.active:
            yield self._measured(state, chooser, path)
        if state.active:
            settings = state.next_settings()
            rows = chooser.choose(settings, [side[-1:] for side in self.runner.logits])
            yield [*state.collect(PendingStep(settings, rows))]

    def _prefilled(
        self,
        state: RequestState,
        prompt: PromptIds,
        forced: tuple[int, ...],
        aside: bool = False,
    ) -> Iterator[Batch]:
        """Prefill chunk by chunk, and no further once every lane is stopped."""
        for done, total in self.runner.prefill(prompt, forced, aside):
            yield [Prefill(done, total)]
            if cancelled := state.end_cancelled():
                yield [*cancelled]
            if not state.active:
                return

    def _measured(
        self, state: RequestState, chooser: TokenChooser, tokens: tuple[int, ...]
    ) -> Batch:
        """Measure given tokens, from one row of logits each, as a single batch."""
        batch: Batch = [*state.end_cancelled()]
        for row, token in enumerate(tokens):
            if state.active:
                settings = state.next_settings()
                rows = chooser.measure(settings, self.runner.logits, row, token)
                batch += state.collect(PendingStep(settings, rows))
        return batch

    def _stepper(self, chooser: TokenChooser, replies: Sequence[Reply], index: int) -> Stepper:
        """The stepper that continues from the prefilled caches."""
        if self.graph_cache and self.graph_cache.can_capture():
            return GraphStepper(self.graph_cache, replies, chooser, index)
        return EagerStepper(chooser, self.runner)

    def _steps(self, state: RequestState, stepper: Stepper, ahead: bool) -> Iterator[Batch]:
        """Choose, decode, choose again; if possible, ahead of what the caller has seen."""

        def launch() -> PendingStep:
            settings = state.next_settings()
            return PendingStep(settings, stepper.choose(settings))

        pending = launch()
        while state.active:
            batch: Batch = [*state.end_cancelled()]
            following = None
            if state.active:
                if ahead and stepper.ahead and state.may_continue():
                    stepper.decode()
                    following = launch()
                batch += state.collect(pending)
            yield batch
            if state.active:
                # Finished lanes keep their rows: decoding them is cheaper than cutting the caches.
                if following is None:
                    stepper.decode()
                    following = launch()
                self.runner.append_tokens(state.tokens)
                pending = following

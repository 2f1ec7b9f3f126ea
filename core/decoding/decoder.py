"""Lanes over a pair: caches, one step, the stream of what happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from logit_amp_chat.core.decoding.cuda_graphs.graph_stepper import (
    GraphCache,
    GraphStepper,
    recordable,
)
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.decoding.request_state import Batch, Controls, PendingStep, RequestState
from logit_amp_chat.core.decoding.stepper import EagerStepper, Stepper
from logit_amp_chat.core.errors import ContextError, LogitAmpError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Prefill
from logit_amp_chat.core.records import PromptIds, Reply, Sampling


class Decoder:
    """Decodes any number of lanes over one pair, a row each, in lock-step.

    Changing α, temperature or filters costs nothing.
    """

    def __init__(self, pair: Pair, recorded: bool | None = None) -> None:
        """`recorded`: whether to decode in recorded steps; by default where that can be."""
        self.pair = pair
        self.sides = PairRunner(pair)
        wanted = recordable(pair) if recorded is None else recorded
        self.studio = GraphCache(pair, self.sides) if wanted else None

    def decode(
        self,
        replies: Sequence[Reply],
        controls: Controls,
        forced: tuple[int, ...] = (),
        ahead: bool = True,
    ) -> Iterator[Batch]:
        """Stream what happens, a batch a token; `replies` are the lanes' records.

        All replies have one prompt and one seed. Between two batches the caller
        may change `controls`: in force with the next token or, where a device
        may compute that one already (`ahead`), with the one after it. Every lane
        ends with a Finish.
        """
        run = RequestState(self.pair, replies, controls)
        try:
            for done, total in self.sides.read(replies[0].prompt, forced):
                yield [Prefill(done, total)]
            direct = EagerStepper(self.pair, self.sides, replies)
            if forced:
                yield self._forced(run, direct, forced)
            if run.active:
                yield from self._steps(run, self._stepper(direct, replies, run.index), ahead)
        except LogitAmpError as error:
            yield run.abort(str(error))
        except torch.OutOfMemoryError:
            self.forget()
            if self.studio:
                self.studio.forget()
            yield run.abort(
                "The GPU's memory is used up. Compare fewer lanes, shorten the"
                " conversation, or choose a smaller pair or quantization."
            )
        except Exception as error:
            # The caches may hold half a token.
            self.forget()
            yield run.abort(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._keep()

    def forget(self) -> None:
        """Drop every cached prefix."""
        self.sides.forget()

    def _keep(self) -> None:
        """Keep what was decoded for the next request, if there is memory for it."""
        try:
            if self.studio:
                self.studio.leave()
            self.sides.release()
        except torch.OutOfMemoryError:
            self.forget()

    def reachable(self, forced: tuple[int, ...], sampling: Sampling) -> tuple[int, ...]:
        """What of a forced prefix can be said: up to the longest reply, or an end of turn."""
        forced = forced[: sampling.max_new_tokens]
        ends = (n for n, token in enumerate(forced, 1) if token in self.pair.end_of_turn)
        return forced[: next(ends, len(forced))]

    def check(self, prompt: PromptIds, forced: tuple[int, ...]) -> None:
        """Raise ContextError where the prompt leaves no room, LogitAmpError where it is none."""
        ids = (*prompt.before, *prompt.after, *forced)
        if not (prompt.before and prompt.after):
            raise LogitAmpError("The prompt is empty.", "Give at least one token.")
        if not 0 <= min(ids) <= max(ids) < self.pair.size:
            raise LogitAmpError(
                f"The prompt has token ids that this pair's sides do not share: ids go up to"
                f" {self.pair.size - 1:,}.",
                "Use a pair whose two sides both know every token of it.",
            )
        used = max(len(prompt.before), len(prompt.after)) + len(forced)
        if used >= self.pair.context:
            raise ContextError(
                f"The context is used up: the conversation has {used:,} tokens and the"
                f" model holds {self.pair.context:,}.",
                "Start a new chat, edit an earlier message, or shorten the last one.",
            )

    @staticmethod
    def _forced(run: RequestState, direct: EagerStepper, forced: tuple[int, ...]) -> Batch:
        """Measure what is forced, from one row of logits a token: all of it or nothing."""
        batch: Batch = [*run.stopped()]
        for place, token in enumerate(forced):
            if run.active:
                terms = run.terms()
                batch += run.land(PendingStep(terms, direct.force(terms, place, token)))
        return batch

    def _stepper(self, direct: EagerStepper, replies: Sequence[Reply], index: int) -> Stepper:
        """Where the replies go on from what was read: recorded if that can be."""
        if self.studio and self.studio.can_record():
            return GraphStepper(self.studio, replies, index)
        self.sides.spread(len(replies))
        direct.begin()
        return direct

    def _steps(self, run: RequestState, stepper: Stepper, ahead: bool) -> Iterator[Batch]:
        """Choose, feed, and choose again; with a stepper that works ahead, while one looks."""

        def fly() -> PendingStep:
            terms = run.terms()
            return PendingStep(terms, stepper.choose(terms))

        flight = fly()
        while run.active:
            batch: Batch = [*run.stopped()]
            following = None
            if run.active:
                if ahead and stepper.ahead and run.goes_on():
                    stepper.feed()
                    following = fly()
                batch += run.land(flight)
            yield batch
            if run.active:
                # Rows of lanes that have ended go along: cheaper than cutting caches.
                if following is None:
                    stepper.feed()
                    following = fly()
                self.sides.said(run.tokens)
                flight = following

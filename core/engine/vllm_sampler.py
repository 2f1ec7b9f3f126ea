"""Samples many replies at once in vLLM: each is a request of its engine, beside the others."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from logit_amp_chat.core.decoding.repetition import Penalties, breakers_of
from logit_amp_chat.core.decoding.reply_progress import AskedPrompt, ReplyProgress
from logit_amp_chat.core.decoding.reply_sampler import PROGRESS_SECONDS, SampleEvent
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.row_chooser import RowChooser
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.samples import Draw, PromptRead, SampleProgress, SampleRequest

# Replies that vLLM is given at once, where nothing else is asked for.
ROWS = 64


class VllmSampler:
    """Samples the replies of one request; one that ends makes room for the next."""

    def __init__(
        self,
        pair: Pair,
        process: VllmProcess,
        request: SampleRequest,
        prompts: Sequence[AskedPrompt],
        controls: Controls,
    ) -> None:
        self._pair, self._process = pair, process
        self._request, self._prompts, self._controls = request, prompts, controls
        self._waiting = deque(request.draws)
        self._live: dict[str, ReplyProgress] = {}
        self._told: set[int] = set()
        self._chooser = RowChooser(pair, request)
        self._ended = self._tokens = 0
        self._due = time.monotonic() + PROGRESS_SECONDS

    def run(self) -> Iterator[Sequence[SampleEvent]]:
        """The events of the request, a batch a step."""
        settings: dict[str, Any] | None = self._settings()
        try:
            while True:
                yield [*self._cancelled(), *self._begun()]
                if not self._live:
                    return
                rows = self._process.ask("advance", settings)
                settings = None
                yield [*self._taken(rows), *self._progress()]
        finally:
            with contextlib.suppress(EngineError):  # what went wrong first is what is told
                self._end([*self._live])

    def _settings(self) -> dict[str, Any]:
        asked = self._request
        penalties = Penalties.of(asked.sampling)
        return {
            "alphas": {},
            "sampling": asked.sampling.model_dump(mode="json"),
            "top": asked.top,
            "breakers": [*breakers_of(self._pair, penalties)] if penalties else [],
            "grid": tuple(asked.grid),
            "amplify_first": asked.amplify_first,
        }

    def _begun(self) -> Iterator[SampleEvent]:
        """Give vLLM the next replies, while there is room."""
        while self._waiting and len(self._live) < (self._request.rows or ROWS):
            draw = self._waiting.popleft()
            prompt = self._prompts[draw.prompt]
            if draw.prompt not in self._told:
                self._told.add(draw.prompt)
                yield PromptRead(prompt=draw.prompt, ids=prompt.ids, forced=len(prompt.forced))
            self._live[draw.reply] = ReplyProgress(draw, prompt)
            self._process.ask("begin", [_lane(draw, prompt)], [*prompt.ids.after])

    def _taken(self, rows: dict[str, list[list[float]]]) -> Iterator[SampleEvent]:
        for name, found in rows.items():
            reply = self._live.get(name)
            for row in found if reply else ():
                assert reply is not None
                if reply.finish is None:
                    self._chooser.take([row], any(map(math.isnan, row)), [reply])
                    self._tokens += 1
        yield from self._reported([r for r in self._live.values() if r.finish])

    def _cancelled(self) -> Iterator[SampleEvent]:
        """End what is stopped, and begin no more where that is wanted."""
        stopped, drained = self._controls.stopped, self._controls.drained
        if drained or stopped:
            self._waiting = deque(
                draw for draw in self._waiting if not drained and draw.reply not in stopped
            )
        ended = [reply for name, reply in self._live.items() if name in stopped]
        for reply in ended:
            reply.finish = "cancelled"
        yield from self._reported(ended)

    def _reported(self, ended: Sequence[ReplyProgress]) -> Iterator[SampleEvent]:
        self._end([reply.draw.reply for reply in ended])
        asked = self._request
        for reply in ended:
            self._ended += 1
            yield reply.sampled(self._pair.token_bytes, asked.grid, asked.amplify_first)

    def _end(self, names: Sequence[str]) -> None:
        for name in names:
            del self._live[name]
        if names:
            self._process.ask("end", [*names])

    def _progress(self) -> Iterator[SampleEvent]:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + PROGRESS_SECONDS
            yield SampleProgress(ended=self._ended, rows=len(self._live), tokens=self._tokens)


def _lane(draw: Draw, prompt: AskedPrompt) -> dict[str, Any]:
    return {
        "name": draw.reply,
        "seed": draw.seed,
        "turn": prompt.turn,
        "alpha": draw.alpha,
        "start": len(prompt.forced),
        "forced": [],
    }

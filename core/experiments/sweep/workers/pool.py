"""Engines that sample one sweep together: hands out blocks, and starts lost workers anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from logit_amp_chat.core.errors import EngineError, LogitAmpError, PairError, failure
from logit_amp_chat.core.experiments.result_file import pair_identity
from logit_amp_chat.core.experiments.sweep.workers.blocks import Block, Blocks
from logit_amp_chat.core.experiments.sweep.workers.worker import Start, Wait, Worker, WorkerLost
from logit_amp_chat.core.number_format import count, duration
from logit_amp_chat.core.protocol import (
    Adjustment,
    Drain,
    Event,
    Failed,
    Loading,
    Noticed,
    Opened,
    Stop,
)
from logit_amp_chat.core.samples import (
    Draw,
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SampleProgress,
    SampleRequest,
    TokenLogProbs,
)

SECONDS = 0.2
"""The longest that a command, or a worker's loading, goes unnoticed."""

PATIENCE = 1200.0
"""Seconds for which nothing is heard of any worker until it is said that none can be had."""

RESTARTS = 3
"""How often in a row a worker is started again that has finished nothing in between."""


@dataclass(slots=True)
class _Slot:
    """The place of one worker; `worker` is None once it is not started again."""

    number: int
    worker: Worker | None = None
    is_open: bool = False
    block: Block | None = None
    losses: int = 0
    loading: Loading | None = None
    progress: SampleProgress = field(default_factory=lambda: SampleProgress(0, 0, 0))

    @property
    def is_busy(self) -> bool:
        """Whether something is to be taken from it."""
        return self.worker is not None and (self.block is not None or not self.is_open)


class WorkerPool:
    """A `Sampler` whose requests are answered by several workers at once.

    A worker that is lost is started again, and what it had not answered is given to another.
    """

    def __init__(self, start: Start, wait: Wait, workers: int) -> None:
        self._start, self._wait = start, wait
        self._slots = [_Slot(number) for number in range(1, workers + 1)]
        self._opened: Opened | None = None
        self._commands: list[Adjustment] = []
        self._blocks: Blocks | None = None
        self._failure: LogitAmpError | None = None
        self._lost = 0
        self._ended = self._tokens = 0  # of the replies that are whole, in this request
        self._told: set[str] = set()
        self._heard = time.monotonic()

    @property
    def opened(self) -> Opened:
        """What the first worker that was ready has opened."""
        assert self._opened is not None, "open comes first"
        return self._opened

    @property
    def status(self) -> str:
        """How many workers are ready, of how many; how many were lost, and what others load."""
        ready = sum(slot.worker is not None and slot.is_open for slot in self._slots)
        said = [f"{ready} of {count(len(self._slots), 'worker')}"]
        said += [f"{self._lost} lost"] if self._lost else []
        said += [
            f"{slot.number}: {slot.loading.stage}"
            for slot in self._slots
            if slot.loading and not slot.is_open
        ]
        return ", ".join(said)

    def open(self, report: Callable[[Loading], None]) -> list[str]:
        """Start all workers, and wait for the first; returns what there is to say of the others.

        Raises LogitAmpError where none can be had.
        """
        for slot in self._slots:
            self._begin(slot)
        said: list[str] = []
        while self._opened is None:
            said += [event.sentence for event in self._step() if isinstance(event, Noticed)]
            for slot in self._loaded():
                assert slot.loading is not None
                detail = f"worker {slot.number}: {slot.loading.detail}"
                report(replace(slot.loading, detail=detail))
        return said

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        """Sample the draws of a request, in blocks. Raises LogitAmpError."""
        return self._answer(Blocks(request, len(self._slots)))

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        """Measure replies that are there, shared out. Raises LogitAmpError."""
        return self._answer(Blocks(request, len(self._slots)))

    def apply(self, command: Adjustment) -> None:
        """Tell every worker, at the next event: this may be called by a signal's handler."""
        self._commands.append(command)

    def close(self) -> None:
        """End all workers; closing twice is fine."""
        for slot in self._slots:
            if slot.worker is not None:
                slot.worker.end()
                slot.worker = None

    def _answer(self, blocks: Blocks) -> Iterator[Event]:
        self._blocks = blocks
        self._ended = self._tokens = 0
        try:
            while not blocks.is_done:
                self._obey()
                self._hand_out()
                if not blocks.is_done:
                    yield from self._step()
        finally:
            self._blocks = None
            self._commands.clear()
            for slot in self._slots:
                if slot.block is not None:  # the caller has seen enough
                    self._end(slot)

    def _obey(self) -> None:
        assert self._blocks is not None
        commands, self._commands = self._commands, []
        for command in commands:
            if isinstance(command, Drain | Stop):
                self._blocks.drain()
            for slot in self._slots:
                if slot.worker is not None and slot.block is not None:
                    slot.worker.apply(command)

    def _hand_out(self) -> None:
        assert self._blocks is not None
        for slot in self._slots:
            if slot.worker is None:
                # It was ended with a request that was left: not its fault.
                if slot.losses <= RESTARTS and not slot.is_open and self._blocks.is_waiting:
                    self._begin(slot)
            elif slot.is_open and slot.block is None:
                slot.block = self._blocks.take()
                if slot.block is not None:
                    slot.worker.ask(slot.block.request)

    # --- what workers say ------------------------------------------------------------------

    def _step(self) -> Iterator[Event]:
        """What workers have said meanwhile. Raises LogitAmpError where none can be had."""
        busy = {id(slot.worker): slot for slot in self._slots if slot.is_busy}
        if not busy:
            raise self._nobody()
        workers = [slot.worker for slot in busy.values() if slot.worker is not None]
        found = self._wait(workers, SECONDS)
        for worker in found:
            yield from self._take(busy[id(worker)], worker)
        if found or self._loaded() or any(slot.is_open for slot in self._slots):
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > PATIENCE:
            raise EngineError(
                f"No worker could be started for {duration(PATIENCE)}.",
                "See with `ray status` what the cluster lacks; what was sampled is kept, and the"
                " same command goes on.",
            )

    def _loaded(self) -> list[_Slot]:
        """The slots whose worker has come further in opening the pair."""
        found = []
        for slot in self._slots:
            if slot.worker is not None and not slot.is_open:
                was, slot.loading = slot.loading, slot.worker.loading()
                if slot.loading not in (None, was):
                    found.append(slot)
        return found

    def _take(self, slot: _Slot, worker: Worker) -> Iterator[Event]:
        try:
            events = worker.take()
        except WorkerLost as lost:
            yield from self._lose(slot, str(lost))
            return
        if events is None:
            self._finish(slot)
            return
        for event in events:
            if isinstance(event, Failed):
                yield from self._fail(slot, event)
                return
            if (found := self._of_whole(slot, event)) is not None:
                yield found

    def _finish(self, slot: _Slot) -> None:
        """A worker is done with its block; of opening there is nothing to note."""
        if slot.block is not None and self._blocks is not None:
            self._blocks.give_back(slot.block)
            slot.block, slot.losses = None, 0
            slot.progress = SampleProgress(0, 0, 0)

    def _of_whole(self, slot: _Slot, event: Event) -> Event | None:
        """An event of a block as one of the whole request; None where it is for nobody."""
        match event:
            case Opened():
                self._welcome(slot, event)
            case Noticed() if event.sentence not in self._told:
                self._told.add(event.sentence)
                return event
            case PromptRead() if slot.block:
                return slot.block.prompt_read(event)
            case SampledReply() if slot.block:
                self._ended, self._tokens = self._ended + 1, self._tokens + len(event.tokens)
                return slot.block.sampled(event)
            case Rescored() if slot.block:
                return slot.block.rescored(event)
            case SampleProgress():
                slot.progress = event
                rows = sum(one.progress.rows for one in self._slots)
                return SampleProgress(ended=self._ended, rows=rows, tokens=self._tokens)
            case _:
                pass
        return None

    def _welcome(self, slot: _Slot, opened: Opened) -> None:
        """Let a worker that is ready take part. Raises PairError where it has another pair."""
        if self._opened is None:
            self._opened = opened
        elif pair_identity(opened.session) != pair_identity(self._opened.session):
            raise PairError(
                f"Worker {slot.number} has opened another pair than the first one.",
                "Give all machines the same files, or name models by Hub id and revision.",
            )
        slot.is_open = True

    # --- workers that are lost -------------------------------------------------------------

    def _fail(self, slot: _Slot, failed: Failed) -> Iterator[Event]:
        """What a worker could not do: it is lost, or all of them would refuse it."""
        if failed.fatal:
            yield from self._lose(slot, failed.message)
            return
        error = failure(failed.message, failed.remedy, failed.exit_code)
        if slot.is_open:
            raise error
        # Another machine may have what this one lacks.
        self._failure = error
        self._end(slot)
        slot.losses = RESTARTS + 1
        yield Noticed(f"Worker {slot.number} cannot open the pair: {error}")

    def _lose(self, slot: _Slot, reason: str) -> Iterator[Event]:
        """Start a lost worker anew, and give its block to another."""
        block, blocks = slot.block, self._blocks
        self._end(slot)
        self._lost += 1
        slot.losses += 1
        given = ""
        if block is not None and blocks is not None:
            lacking = block.lacking()
            if blocks.is_drained:
                yield from (_given_up(draw) for draw in lacking)
                given = f"; {count(len(lacking), 'reply')} of its block will be sampled next time"
            elif lacking:
                given = f"; {count(len(lacking), 'reply')} of its block go to another"
            blocks.give_back(block)
        again = slot.losses <= RESTARTS and not (blocks is not None and blocks.is_drained)
        if again:
            self._begin(slot)
        started = ", and it is started again" if again else ", and it is not started again"
        yield Noticed(f"Worker {slot.number} was lost: {reason}{started}{given}.")
        self._failure = EngineError(f"Worker {slot.number} was lost: {reason}.")

    def _begin(self, slot: _Slot) -> None:
        slot.is_open, slot.loading, slot.worker = False, None, self._start(slot.number)
        self._heard = time.monotonic()

    def _end(self, slot: _Slot) -> None:
        if slot.worker is not None:
            slot.worker.end()
        slot.worker, slot.block, slot.is_open = None, None, False
        slot.progress = SampleProgress(0, 0, 0)

    def _nobody(self) -> LogitAmpError:
        """Why there is no worker left."""
        cause = self._failure
        if self._opened is None and cause is not None and not isinstance(cause, EngineError):
            return cause
        said = cause.message if cause else "all were ended."
        return EngineError(
            f"No worker is left, of {len(self._slots)}: {said}",
            "What was sampled is kept: mend the cause, and the same command goes on.",
        )


def _given_up(draw: Draw) -> SampledReply:
    """A reply that was lost when nothing more was to be begun: no sample of anything."""
    return SampledReply(
        reply=draw.reply,
        prompt=draw.prompt,
        alpha=draw.alpha,
        seed=draw.seed,
        tokens=(),
        text="",
        lengths=(),
        log_probs=TokenLogProbs(q=(), before=(), after=(), kl=()),
        finish="cancelled",
    )

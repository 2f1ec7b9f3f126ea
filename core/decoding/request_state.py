"""The state of one request: what every lane has said, and what is in force."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from logit_amp_chat.core.decoding.token_stats import Measured, unpack
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Prefill
from logit_amp_chat.core.records import Change, Finish, FinishReason, Reply, Sampling, Step

# What happened at one token of all lanes.
Batch = list[Prefill | Step | Change | Finish]
PendingRows = Callable[[], list[list[float]]]


@dataclass
class Controls:
    """What may change between two tokens; the decoder reads it before each."""

    alphas: dict[str, float]
    sampling: Sampling
    stopped: set[str] = field(default_factory=set)


@dataclass
class LaneProgress:
    """One lane while it decodes."""

    reply: str
    tokens: int = 0
    reason: FinishReason | None = None
    error: str | None = None


@dataclass(frozen=True)
class StepSettings:
    """What a token is chosen by: in force for all lanes at one place of the replies."""

    index: int
    alphas: tuple[float, ...]
    sampling: Sampling
    changed: bool
    """Whether the sampling is another than that of the token before."""


@dataclass(frozen=True)
class PendingStep:
    """A token of every lane that was chosen, though perhaps not computed yet."""

    terms: StepSettings
    rows: PendingRows
    """Waits for the numbers: a row a lane, as `measure` gave them."""


class RequestState:
    """Makes records of what a request's lanes say, and ends them."""

    def __init__(self, pair: Pair, replies: Sequence[Reply], controls: Controls) -> None:
        self.pair = pair
        self.lanes = [LaneProgress(reply.id) for reply in replies]
        self.controls = controls
        self.index = 0
        self.tokens: list[int] = []
        """The token of every lane that was taken in last."""
        self._sampling = controls.sampling
        self._prompt = max(len(replies[0].prompt.before), len(replies[0].prompt.after))
        self._started = time.monotonic()

    @property
    def active(self) -> list[LaneProgress]:
        """The lanes that still decode."""
        return [p for p in self.lanes if p.reason is None]

    def terms(self) -> StepSettings:
        """What the next token is chosen by, as the controls are now."""
        changed = self.controls.sampling != self._sampling
        self._sampling = self.controls.sampling
        alphas = tuple(self.controls.alphas[p.reply] for p in self.lanes)
        terms = StepSettings(self.index, alphas, self._sampling, changed)
        self.index += 1
        return terms

    def goes_on(self) -> bool:
        """Whether there may be one token more than those that were asked for."""
        in_context = self._prompt + self.index < self.pair.context
        return in_context and self.index < self._sampling.max_new_tokens

    def stopped(self) -> list[Finish]:
        """End the lanes that were stopped since the last token."""
        events = []
        for progress in self.active:
            if progress.reply in self.controls.stopped:
                progress.reason = "cancelled"
                events.append(self._finish(progress))
        return events

    def land(self, flight: PendingStep) -> list[Change | Step | Finish]:
        """Take in a token of every lane that still decodes; ends those whose last one it is."""
        terms, events = flight.terms, list[Change | Step | Finish]()
        if terms.changed:
            events += [
                Change(reply=p.reply, index=terms.index, sampling=terms.sampling)
                for p in self.active
            ]
        measured = [unpack(row) for row in flight.rows()]
        self.tokens = [one.token for one in measured]
        lanes = list(zip(self.lanes, measured, terms.alphas, strict=True))
        events += [self._step(p, m, terms.index, a) for p, m, a in lanes if p.reason is None]
        return events + self._finished(terms.sampling.max_new_tokens)

    def _finished(self, longest: int) -> list[Finish]:
        """End the lanes for which the last token was the last one."""
        events = []
        for progress, token in zip(self.lanes, self.tokens, strict=True):
            if progress.reason is not None:
                continue
            if token in self.pair.end_of_turn:
                progress.reason = "stop"
            elif progress.tokens >= longest:
                progress.reason = "length"
            elif self._prompt + progress.tokens >= self.pair.context:
                progress.reason = "context"
            if progress.reason is not None:
                events.append(self._finish(progress))
        return events

    def abort(self, error: str) -> Batch:
        """End every lane with what it has."""
        events: Batch = []
        for progress in self.active:
            progress.reason, progress.error = "error", error
            events.append(self._finish(progress))
        return events

    def _step(self, progress: LaneProgress, measured: Measured, index: int, alpha: float) -> Step:
        if math.isnan(measured.logp.amplified):
            raise LogitAmpError(
                f"The models' numbers became NaN at token {index} with α = {alpha:g}.",
                "Try a smaller α, or dtype float32 in the profile.",
            )
        text, raw, special = self.pair.token_bytes.describe(measured.token)
        progress.tokens += 1
        return Step(
            reply=progress.reply,
            index=index,
            alpha=alpha,
            token=measured.token,
            text=text,
            bytes=raw,
            special=special,
            logp=measured.logp,
            rank=measured.rank,
            kl=measured.kl,
            kl_amplified=measured.kl_amplified,
            entropy=measured.entropy,
            top=measured.candidates(self.pair.token_bytes),
        )

    def _finish(self, progress: LaneProgress) -> Finish:
        assert progress.reason is not None
        return Finish(
            reply=progress.reply,
            reason=progress.reason,
            tokens=progress.tokens,
            seconds=round(time.monotonic() - self._started, 3),
            error=progress.error,
        )

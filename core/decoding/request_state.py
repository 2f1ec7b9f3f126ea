"""The state of one request: each lane's progress, and the settings in force."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from logit_amp_chat.core.decoding.token_stats import Measured, unpack
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.protocol import Prefill
from logit_amp_chat.core.records import Change, Finish, FinishReason, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.reply_text import step_bytes
from logit_amp_chat.core.transcripts.stop_strings import StopSearch
from logit_amp_chat.core.turn_ends import TurnEnds

# The events of one token, of all lanes.
Batch = list[Prefill | Step | Change | Finish]
PendingRows = Callable[[], list[list[float]]]


@dataclass
class Controls:
    """What may change between two tokens; the decoder reads it before each."""

    alphas: dict[str, float]
    sampling: Sampling | None = None
    """What every lane samples with from now on; None: as its record says."""
    stopped: set[str] = field(default_factory=set)
    drained: bool = False
    """Whether nothing further is to begin."""


@dataclass
class LaneProgress:
    """One lane while it decodes."""

    reply: str
    given: int
    """How many of its first tokens are not sampled: no stop string ends the lane at them."""
    tokens: int = 0
    search: StopSearch = field(default_factory=StopSearch)
    stop: str | None = None
    """The stop string that its last token completes."""
    reason: FinishReason | None = None
    error: str | None = None


@dataclass(frozen=True)
class StepSettings:
    """The settings of all lanes for the token at one position of the replies."""

    index: int
    alphas: tuple[float, ...]
    sampling: Sampling
    limits: tuple[int, ...]
    """The maximum length of each lane's reply, in tokens."""
    changed: tuple[bool, ...]
    """The lanes whose sampling is another than that of their token before."""
    said: Sequence[Sequence[int]] = ()
    """The tokens of each lane that the host has seen: all before this one, or all but the last."""


@dataclass(frozen=True)
class PendingStep:
    """A token of every lane: launched, but perhaps not computed yet."""

    settings: StepSettings
    rows: PendingRows
    """Waits for the statistics: one row per lane, as `measure` returns them."""


class RequestState:
    """Turns the tokens of a request's lanes into records, and ends the lanes."""

    def __init__(
        self,
        pair: Pair,
        replies: Sequence[Reply],
        controls: Controls,
        turn_ends: TurnEnds,
        length: int | None = None,
    ) -> None:
        """`turn_ends`: what ends a lane by itself; `length` is a fixed one, in tokens."""
        self.pair = pair
        self.lanes = [LaneProgress(reply.id, reply.forced) for reply in replies]
        self.controls = controls
        self.index = 0
        self.tokens: list[int] = []
        """The last collected token of every lane."""
        self._said: list[list[int]] = [[] for _ in replies]
        self._ends = turn_ends.ids
        self._stop = () if replies[0].raw else turn_ends.texts
        self._length = length
        self._sampling = [reply.sampling for reply in replies]
        self._prompt = max(len(replies[0].prompt.before), len(replies[0].prompt.after))
        self._started = time.monotonic()

    @property
    def active(self) -> list[LaneProgress]:
        """The lanes that are still decoding."""
        return [lane for lane in self.lanes if lane.reason is None]

    def next_settings(self) -> StepSettings:
        """Advance to the next token; returns its settings, from the controls as they are now."""
        before = self._sampling
        if self.controls.sampling is not None:
            self._sampling = [self.controls.sampling] * len(self.lanes)
        alphas = tuple(self.controls.alphas[lane.reply] for lane in self.lanes)
        changed = tuple(a != b for a, b in zip(before, self._sampling, strict=True))
        sampling = self._sampling[0]
        limits = self._limits()
        settings = StepSettings(self.index, alphas, sampling, limits, changed, self._said)
        self.index += 1
        return settings

    def _limits(self) -> tuple[int, ...]:
        return tuple(self._length or sampling.max_new_tokens for sampling in self._sampling)

    def may_continue(self) -> bool:
        """Whether another token may follow those launched so far."""
        in_context = self._prompt + self.index < self.pair.context
        return in_context and self.index < max(self._limits())

    def end_cancelled(self) -> list[Finish]:
        """End the lanes that were stopped since the last token."""
        stopped = [lane for lane in self.active if lane.reply in self.controls.stopped]
        return [self._finish(lane, "cancelled") for lane in stopped]

    def collect(self, pending: PendingStep) -> list[Change | Step | Finish]:
        """Wait for a token of every active lane; ends the lanes whose last token it is."""
        settings, events = pending.settings, list[Change | Step | Finish]()
        events += [
            Change(reply=lane.reply, index=settings.index, sampling=settings.sampling)
            for lane, changed in zip(self.lanes, settings.changed, strict=True)
            if changed and lane.reason is None
        ]
        measured = [unpack(row) for row in pending.rows()]
        self.tokens = [one.token for one in measured]
        for said, token in zip(self._said, self.tokens, strict=True):
            said.append(token)
        for lane, one, alpha in zip(self.lanes, measured, settings.alphas, strict=True):
            if lane.reason is None:
                events.append(self._step_or_end(lane, one, settings, alpha))
        return events + self._finished(settings.limits)

    def _finished(self, limits: Sequence[int]) -> list[Finish]:
        """End the lanes whose last token has just been collected."""
        events = []
        for lane, token, limit in zip(self.lanes, self.tokens, limits, strict=True):
            if lane.reason is not None:
                continue
            left = self.pair.context - self._prompt - lane.tokens
            is_end = lane.stop is not None or token in self._ends
            if reason := ending(is_end, limit - lane.tokens, left):
                events.append(self._finish(lane, reason))
        return events

    def abort(self, error: str) -> Batch:
        """End every active lane with an error; its tokens so far are kept."""
        return [self._finish(lane, "error", error) for lane in self.active]

    def _step_or_end(
        self, lane: LaneProgress, measured: Measured, settings: StepSettings, alpha: float
    ) -> Step | Finish:
        """A token's record; a lane whose numbers are no numbers any more ends."""
        if math.isnan(measured.logp.amplified):
            return self._finish(lane, "error", not_a_number(settings.index, alpha))
        step = measured.step(self.pair.token_bytes, lane.reply, settings.index, alpha)
        stops = settings.sampling.stop + self._stop if lane.tokens >= lane.given else ()
        lane.stop = lane.search.add(step_bytes(step), stops)
        lane.tokens += 1
        return step

    def _finish(self, lane: LaneProgress, reason: FinishReason, error: str | None = None) -> Finish:
        lane.reason, lane.error = reason, error
        return Finish(
            reply=lane.reply,
            reason=reason,
            tokens=lane.tokens,
            seconds=round(time.monotonic() - self._started, 3),
            error=error,
            stop=lane.stop if reason == "stop" else None,
        )


def ending(is_end: bool, wanted: int, room: int) -> FinishReason | None:
    """Why a reply ends after a token, if it does.

    `is_end`: whether the token ends a turn; `wanted` and `room` are the tokens that its limit
    and the context leave.
    """
    if is_end:
        return "stop"
    if wanted <= 0:
        return "length"
    return "context" if room <= 0 else None


def not_a_number(index: int, alpha: float) -> str:
    """The error of a reply whose numbers are none any more."""
    return (
        f"The models' numbers became NaN at token {index} with α {signed(alpha)}."
        " Try a smaller α, or dtype float32 in the profile."
    )

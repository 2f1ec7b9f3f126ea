"""The request in flight: what was asked, how far it is and how fast."""

from __future__ import annotations

from dataclasses import dataclass, field

from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import Lane, Prefill, Request
from logit_amp_chat.core.reading import ReadRequest, StageReadRequest
from logit_amp_chat.core.records import Reply, Step
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest

AnyPending = (
    Request
    | OpeningsRequest
    | PromptRequest
    | ReadRequest
    | StageReadRequest
    | SampleRequest
    | RescoreRequest
)


@dataclass
class PendingRequest:
    """One request that the engine is answering; times are seconds of the session's clock.

    A round is one sampled token in every lane that runs. Lanes with different prompts
    are decoded one group after the other, each group from its own prefill on.
    """

    request: AnyPending
    prefill: Prefill | None = None
    rounds: int = 0
    """Rounds that followed another one of their group."""
    seconds: float = 0.0
    """What those rounds took."""
    given: int = 0
    """How many tokens the replies of this group begin with."""
    _index: int | None = field(default=None, repr=False)  # of the newest round of this group
    _at: float = field(default=0.0, repr=False)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that are decoded; only replies have some."""
        return self.request.lanes if isinstance(self.request, Request) else ()

    @property
    def uncounted(self) -> int:
        """How many given tokens the limit of its replies comes after."""
        if not isinstance(self.request, Request):
            return 0
        forced = len(self.request.forced)
        return max(forced, self.given) if self.request.edits else forced

    def count(self, event: Reply | Prefill | Step, now: float) -> None:
        """Count what was reported; given tokens are prefilled and take no part in the speed."""
        if isinstance(event, Reply):
            self.given = event.forced
            return
        if isinstance(event, Prefill):
            self.prefill, self._index = event, None
            return
        self.prefill = None
        if event.index < self.given or event.index == self._index:
            return  # the latter: another lane of the same round
        if self._index is not None and event.index > self._index:
            self.rounds += 1
            self.seconds += now - self._at
        self._index, self._at = event.index, now

    @property
    def tokens_per_second(self) -> float | None:
        """Sampled tokens per second of a lane that runs; None until there are two."""
        return self.rounds / self.seconds if self.seconds > 0 else None

    def replies(self, lane: str) -> list[str]:
        """The ids of the replies that are decoded in `lane`."""
        return [each.reply for each in self.lanes if each.name == lane]

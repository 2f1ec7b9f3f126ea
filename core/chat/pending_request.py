"""The request in flight: what was asked, how far it is and how fast."""

from __future__ import annotations

from dataclasses import dataclass

from logit_amp_chat.core.protocol import Lane, OpeningsRequest, Prefill, Request
from logit_amp_chat.core.records import Step


@dataclass
class PendingRequest:
    """One request that the engine is answering; times are seconds of the session's clock."""

    request: Request | OpeningsRequest
    began: float
    prefill: Prefill | None = None
    tokens: int = 0

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that are decoded; openings have none."""
        return self.request.lanes if isinstance(self.request, Request) else ()

    def count(self, event: Prefill | Step, now: float) -> None:
        """Count what was reported; decoding is timed from the first token."""
        if isinstance(event, Prefill):
            self.prefill = event
            return
        if not self.tokens:
            self.prefill = None
            self.began = now
        self.tokens += 1

    def tokens_per_second(self, now: float) -> float | None:
        """Tokens per second of one lane; None until there are two."""
        seconds = now - self.began
        if self.tokens < 2 or seconds <= 0 or not self.lanes:
            return None
        return self.tokens / len(self.lanes) / seconds

    def replies(self, lane: str) -> list[str]:
        """The ids of the replies that are decoded in `lane`."""
        return [each.reply for each in self.lanes if each.name == lane]

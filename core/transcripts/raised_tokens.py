"""Which tokens training raised or lowered most, over many replies.

Δ of a step is log p_after − log p_before of the token that was written there,
in nats. Every step that was sampled counts once: the forced tokens that a
branch begins with are its sibling's, or the user's, choice. The tokens of the
stop string that ended a reply are no part of it, and do not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from logit_amp_chat.core.records import Finish, Record, Reply, Step
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


class Place(NamedTuple):
    """A step of a reply, counted from 0, and its Δ in nats."""

    reply: str
    step: int
    delta: float


@dataclass(frozen=True)
class TokenChange:
    """What training did to one token, over all steps that wrote it.

    `total` is ΣΔ in nats over the steps where both sides allow the token. A
    step where `before` alone rules it out (Δ = +∞) is in `added` instead, one
    where `after` alone does (Δ = −∞) in `removed`; where both do, Δ is not
    defined. `highest` and `lowest` are the first places with the largest and
    the smallest Δ, None where no step has one.
    """

    token: int
    text: str
    special: bool
    count: int
    total: float
    finite: int
    added: int
    removed: int
    highest: Place | None
    lowest: Place | None

    @property
    def mean(self) -> float:
        """ΣΔ per step with a finite Δ, in nats; NaN where there is none."""
        return self.total / self.finite if self.finite else math.nan


_Key = tuple[int, str, str | None, bool]


def token_changes(records: Iterable[Record]) -> list[TokenChange]:
    """One row per token that was written, in the order of first appearance.

    `records` are those of a transcript, or of some of its replies: a reply
    before its steps, and those before its finish. Records of other types do not matter.
    """
    logs: dict[str, ReplyLog] = {}
    written: list[tuple[ReplyLog, int]] = []
    for record in records:
        if isinstance(record, Reply):
            logs.setdefault(record.id, ReplyLog(record))
        elif isinstance(record, Step | Finish) and record.reply in logs:
            log = logs[record.reply]
            if isinstance(record, Step):
                written.append((log, len(log.steps)))
            log.add(record)
    places: dict[_Key, list[Place]] = {}
    for log, place in written:
        if log.reply.forced <= place < log.parts.said:
            step = log.steps[place]
            key = step.token, step.text, step.bytes, step.special
            delta = step.logp.after - step.logp.before
            places.setdefault(key, []).append(Place(log.id, place, delta))
    return [_change(key, found) for key, found in places.items()]


def _change(key: _Key, places: Sequence[Place]) -> TokenChange:
    token, text, _, special = key
    known = [place for place in places if not math.isnan(place.delta)]
    finite = [place.delta for place in known if math.isfinite(place.delta)]
    return TokenChange(
        token=token,
        text=text,
        special=special,
        count=len(places),
        total=math.fsum(finite),
        finite=len(finite),
        added=sum(place.delta == math.inf for place in known),
        removed=sum(place.delta == -math.inf for place in known),
        highest=max(known, key=lambda place: place.delta, default=None),
        lowest=min(known, key=lambda place: place.delta, default=None),
    )


def most_raised(changes: Iterable[TokenChange]) -> list[TokenChange]:
    """The tokens that `before` rules out somewhere, then those with ΣΔ > 0, largest first."""
    found = [one for one in changes if one.added or one.total > 0]
    return sorted(found, key=lambda one: (-one.added, -one.total))


def most_lowered(changes: Iterable[TokenChange]) -> list[TokenChange]:
    """The tokens that `after` rules out somewhere, then those with ΣΔ < 0, smallest first."""
    found = [one for one in changes if one.removed or one.total < 0]
    return sorted(found, key=lambda one: (-one.removed, one.total))

"""Which replies can stand side by side, and whose replies each of them continues."""

from __future__ import annotations

from collections.abc import Iterable

from logit_amp_chat.core.records import told_apart
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.opening_log import measured_with
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


def beside(
    state: Conversation, log: ReplyLog, *, own_histories: bool = False, strict: bool = False
) -> dict[str, ReplyLog]:
    """By lane, the replies to compare `log` with: same message, seed, sampling and prefix.

    Of each lane the newest that continues the same reply as `log`, or with
    `own_histories` the one of its own lane; where there is none, the newest that
    continues another, unless `strict`. Always `log` itself.
    """
    found = {log.reply.lane: log}
    others: dict[str, ReplyLog] = {}
    alike = list(_alike(state, log))
    lanes = dict.fromkeys(other.reply.lane for other in alike)
    continued = continued_by(state, state.previous(log.id), lanes, own_histories=own_histories)
    for other in alike:
        lane = other.reply.lane
        others.setdefault(lane, other)
        if state.previous(other.id) is continued.get(lane):
            found.setdefault(lane, other)
    return found if strict else {**others, **found}


def continued_by(
    state: Conversation, previous: ReplyLog | None, lanes: Iterable[str], *, own_histories: bool
) -> dict[str, ReplyLog]:
    """By lane, the reply that it goes on from after `previous`: that one, or its own there."""
    if previous is None:
        return {}
    if not own_histories:
        return dict.fromkeys(lanes, previous)
    return {lane: own_previous(state, previous, lane) for lane in lanes}


def own_previous(state: Conversation, previous: ReplyLog, lane: str) -> ReplyLog:
    """The reply that a lane's own history goes on from, where the chat does from `previous`.

    Of several the one whose whole history is its lane's own, else the newest; `previous`
    where the lane has no reply there.
    """
    if previous.reply.lane == lane:
        return previous
    found = [other for other in _alike(state, previous) if other.reply.lane == lane]
    own = (other for other in found if set(lanes_before(state, other)) <= {lane})
    return next(own, found[0] if found else previous)


def lanes_before(state: Conversation, log: ReplyLog) -> list[str]:
    """The lanes of the replies that a reply continues, the last one first."""
    return [before.reply.lane for before in history(state, log)]


def history(state: Conversation, log: ReplyLog) -> Iterable[ReplyLog]:
    """The replies that a reply continues, the last one first."""
    above = reversed(state.thread(log.id))
    return (item for item in above if isinstance(item, ReplyLog) and item is not log)


def _alike(state: Conversation, log: ReplyLog) -> Iterable[ReplyLog]:
    """The replies to the same message under the same conditions, newest first."""
    replies = reversed(state.replies_to(log.reply.parent))
    return (other for other in replies if _same_conditions(other, log))


def _same_conditions(a: ReplyLog, b: ReplyLog) -> bool:
    """Whether two replies have what lanes that are compared must share."""
    return (
        a.reply.seed == b.reply.seed
        and a.reply.sampling == b.reply.sampling
        and told_apart(a.reply.template) == told_apart(b.reply.template)
        and a.reply.forced == b.reply.forced
        and measured_with(a.main) == measured_with(b.main)
        and _same_given(a, b)
    )


def _same_given(a: ReplyLog, b: ReplyLog) -> bool:
    """Whether the given tokens are the same; of a reply that runs, those it has so far."""
    one, other = a.forced, b.forced
    if not a.is_over:
        other = other[: len(one)]
    if not b.is_over:
        one = one[: len(other)]
    return one == other

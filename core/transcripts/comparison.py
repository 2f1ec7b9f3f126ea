"""Which replies can stand side by side: same question, same conditions, same kind of history."""

from __future__ import annotations

from collections.abc import Mapping

from logit_amp_chat.core.transcripts.conversation import Conversation, ReplyLog


def beside(
    state: Conversation, log: ReplyLog, *, own_histories: bool = False
) -> dict[str, ReplyLog]:
    """By lane, the replies to compare `log` with: same message, seed, sampling and prefix.

    They continue the same reply as `log`, or with `own_histories` the reply of
    their own lane that stands beside that one. The newest of each lane, but
    always `log` itself.
    """
    previous = state.previous(log.id)
    return _beside(state, log, histories(state, previous) if own_histories else {})


def histories(state: Conversation, previous: ReplyLog | None) -> dict[str, ReplyLog]:
    """By lane, the reply that each lane's own history goes on from, beside `previous`."""
    chain: dict[str, ReplyLog] = {}
    while previous is not None and previous.id not in chain:
        chain[previous.id] = previous
        previous = state.previous(previous.id)
    found: dict[str, ReplyLog] = {}
    for log in reversed(chain.values()):
        found = _beside(state, log, found)
    return found


def _beside(
    state: Conversation, log: ReplyLog, continued: Mapping[str, ReplyLog]
) -> dict[str, ReplyLog]:
    previous = state.previous(log.id)
    found = {log.reply.lane: log}
    for other in reversed(state.replies_to(log.reply.parent)):
        follows = continued.get(other.reply.lane, previous)
        if _same_conditions(other, log) and state.previous(other.id) is follows:
            found.setdefault(other.reply.lane, other)
    return found


def _same_conditions(a: ReplyLog, b: ReplyLog) -> bool:
    """Whether two replies have what lanes that are compared must share."""
    return (
        a.reply.seed == b.reply.seed
        and a.reply.sampling == b.reply.sampling
        and a.reply.forced == b.reply.forced
        and _pair(a) == _pair(b)
        and _same_given(a, b)
    )


def _pair(log: ReplyLog) -> tuple[object, ...]:
    """The models that decoded a reply."""
    return (log.session.before, log.session.after) if log.session else ()


def _same_given(a: ReplyLog, b: ReplyLog) -> bool:
    """Whether the given tokens are the same; of a reply that runs, those it has so far."""
    one, other = a.forced, b.forced
    if not a.is_over:
        other = other[: len(one)]
    if not b.is_over:
        one = one[: len(other)]
    return one == other

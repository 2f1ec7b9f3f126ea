"""Whose replies the lanes of a comparison continue, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.transcripts.comparison import lanes_before
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

OWN = "own history"


def continues(
    state: Conversation, logs: Sequence[ReplyLog], previous: ReplyLog, *, own: bool
) -> str:
    """What the lanes that are shown have in common; without any, what they will have.

    `previous` is the reply that the message was said to, `own` whether lanes are to
    continue their own.
    """
    before = [state.previous(log.id) for log in logs]
    if not logs:
        shared, all_own = (None if own else previous), own
    else:
        shared = before[0] if all(one is before[0] for one in before) else None
        all_own = all(_history(state, log) == OWN for log in logs)
    if shared is not None:
        return f"every lane continues the reply of {reply_title(shared.reply)}"
    if all_own:
        return "every lane continues its own replies"
    return "lanes continue different replies"


def histories(state: Conversation, logs: Mapping[str, ReplyLog]) -> dict[str, str]:
    """By lane, whose history it has; "" for all where it is the same for all."""
    before = {log.id: state.previous(log.id) for log in logs.values()}
    if len({id(one) for one in before.values()}) == 1:
        return dict.fromkeys(logs, "")
    return {lane: _history(state, log) for lane, log in logs.items()}


def _history(state: Conversation, log: ReplyLog) -> str:
    lanes = lanes_before(state, log)
    previous = state.previous(log.id)
    if previous is None:
        return ""
    if set(lanes) == {log.reply.lane}:
        return OWN
    if len(set(lanes)) > 1:
        return "mixed history"
    return f"history of {reply_title(previous.reply)}"

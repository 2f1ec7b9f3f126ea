"""Whether two sessions, or two profiles, have the same models."""

from __future__ import annotations

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.lanes import stages_name
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


def other_vocabulary(a: Session | None, b: Session) -> bool:
    """Whether the token ids of two sessions are known to mean different things."""
    if a is None or a.vocabulary is None or b.vocabulary is None:
        return False
    return a.vocabulary != b.vocabulary


def models(session: Session | None) -> tuple[str, ...]:
    """The names of a session's models; none without a session."""
    return (session.before.model, session.after.model) if session else ()


def pair(profile: Profile) -> tuple[object, ...]:
    """What of a profile decides which models are loaded, and which ids are tokens of both."""
    sides = profile.before, profile.after, profile.stages
    return *sides, profile.quantization, profile.dtype, profile.vocabulary


def same_chain(a: Session | None, b: Session) -> bool:
    """Whether two sessions have one chain: the same stages by the same names."""
    if a is None or other_vocabulary(a, b):
        return False
    stages = a.profile.get("stages")
    return bool(stages) and (stages, a.revisions) == (b.profile.get("stages"), b.revisions)


def own_stages(log: ReplyLog) -> tuple[str, str] | None:
    """The stages of a reply whose lane is called by them; None for the lanes of a pair.

    Where they were the session's pair, its record does not repeat them.
    """
    if log.reply.stages is not None or log.session is None:
        return log.reply.stages
    pair = log.session.profile.get("pair")
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return None
    stages = str(pair[0]), str(pair[1])
    return stages if log.reply.lane == stages_name(stages, log.reply.alpha) else None

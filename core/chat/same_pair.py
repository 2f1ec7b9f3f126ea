"""Whether two sessions, or two profiles, have the same models."""

from __future__ import annotations

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.records import Session


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

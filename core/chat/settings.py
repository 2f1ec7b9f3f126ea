"""The settings of a chat, and where they come from: its profile, or the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import Profile, recorded_profile
from logit_amp_chat.core.records import Variables, told_apart
from logit_amp_chat.core.sampling import Sampling


@dataclass(frozen=True)
class ChatSettings:
    """How replies are sampled, and what their prompts are made with.

    `system` None is the template's own system prompt, "" none.
    """

    sampling: Sampling
    system: str | None
    template: Variables = field(default_factory=dict)


def use_defaults(session: ChatSession, profile: Profile) -> None:
    """Take α, sampling and what prompts are made with from a profile, as a new chat does."""
    session.alpha = profile.alpha
    session.sampling = profile.sampling
    session.system = profile.system
    session.live.template = dict(profile.template)


def prefer_profile(session: ChatSession) -> None:
    """Let what the command line set in the profile override what a resumed chat recorded."""
    made_with, profile = session.conversation.session, session.profile
    recorded = recorded_profile(made_with) if made_with else None
    if recorded is None or profile.alpha != recorded.alpha:
        session.alpha = profile.alpha
    if recorded is None or profile.sampling != recorded.sampling:
        session.sampling = profile.sampling
    if recorded is None or profile.system != recorded.system:
        session.system = profile.system
    if recorded is None or told_apart(profile.template) != told_apart(recorded.template):
        session.live.template = dict(profile.template)

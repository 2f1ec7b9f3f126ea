"""Where the settings of a chat come from: its profile, the reply it is resumed at, the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from logit_amp_chat.core.config.profile import Profile, recorded_profile
from logit_amp_chat.core.records import TemplateValue
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.comparison import beside
from logit_amp_chat.core.transcripts.conversation import ReplyLog

if TYPE_CHECKING:
    from logit_amp_chat.core.chat.session import ChatSession


@dataclass(frozen=True)
class Settings:
    """How replies are sampled, and what their prompts are made with.

    `system` None is the template's own system prompt, "" none.
    """

    sampling: Sampling
    system: str | None
    template: Mapping[str, TemplateValue] = field(default_factory=dict)


def use_defaults(session: ChatSession, profile: Profile) -> None:
    """Take α, sampling and what prompts are made with from a profile, as a new chat does."""
    session.alpha = profile.alpha
    session.sampling = profile.sampling
    session.system = profile.system
    session.live.template = dict(profile.template)


def go_on_as(session: ChatSession, log: ReplyLog) -> None:
    """Go on as a reply was made: sampling, α, template, and the comparison it stands in, if any."""
    session.sampling = log.reply.sampling
    session.live.template = dict(log.reply.template)
    if log.reply.lane == "amplified":
        session.alpha = log.steps[-1].alpha if log.steps else log.reply.alpha
    session.own_histories = session.conversation.has_own_histories
    found = beside(session.conversation, log, own_histories=session.own_histories)
    alphas = [one.reply.alpha for one in found.values() if one.reply.lane != "amplified"]
    if len(found) > 1:
        session.compared_alphas = tuple(sorted(alphas))
    else:
        session.comparing = False


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
    if recorded is None or profile.template != recorded.template:
        session.live.template = dict(profile.template)

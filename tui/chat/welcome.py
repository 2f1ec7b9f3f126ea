"""The page of an empty chat: what α does, and what the first message will be answered with."""

from __future__ import annotations

from collections.abc import Sequence

from logit_amp_chat.core.analysis.token_metrics import TokenMetric
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.stages import own_prompts
from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.number_format import number, setting_said, signed
from logit_amp_chat.core.text import short_path
from logit_amp_chat.tui.token_log.blocks import WelcomeBlock


def welcome(session: ChatSession, metric: TokenMetric | None) -> WelcomeBlock:
    """The page; it names every setting that is not the profile's."""
    paragraphs = [
        ("amplified = after + α · (after − before)", "head-amplified"),
        (
            "Write something below. α −1 is before, 0 is after; above 0 what training"
            " changed is exaggerated. F2 and F3 move it, also while a reply streams.",
            "said",
        ),
    ]
    if session.comparing:
        *others, live = map(reply_title, session.lanes.values())
        names = ", ".join(others)
        beside = f"Answers come from {names} and the live α ({live}), side by side (F4)."
        paragraphs.append((beside, "said"))
    if own := own_prompts(session.profile):
        paragraphs.append((f"{own[0].upper()}{own[1:]}", "note"))
    if changed := _changed(session, metric):
        kept = f"Still set: {' · '.join(changed)}. ctrl+n takes the profile's settings."
        paragraphs.append((kept, "note"))
    folder = short_path(session.saved.recorder.folder)
    return WelcomeBlock((*paragraphs, (f"Chats are saved in {folder}", "finish")))


def _value(value: float | str | Sequence[str]) -> str:
    """One of Sampling's values, rounded where it is a number."""
    return number(value) if isinstance(value, int | float) else setting_said(value)


def _changed(session: ChatSession, metric: TokenMetric | None) -> list[str]:
    """What the chat begins with that the profile says otherwise."""
    profile = session.profile
    defaults = profile.sampling.model_dump()
    changed = [
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value in session.sampling.model_dump().items()
        if value != defaults[name]
    ]
    if session.alpha != profile.alpha:
        changed.insert(0, f"α {signed(session.alpha)}")
    if session.system != profile.system:
        changed.append(_system(session.system))
    if metric is not None:
        changed.append(f"coloured by {metric.title}")
    return changed


def _system(text: str | None) -> str:
    if text is None:
        return "the template's own system prompt"
    return f"system prompt “{text}”" if text else "no system prompt"

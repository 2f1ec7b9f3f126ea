"""How a chat template ends a reply: with a special token, or with the text that follows one."""

from __future__ import annotations

from datetime import UTC, datetime

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.turn_ends import TurnEnds

# Words that no template has of its own.
ASKED, ANSWER, FURTHER = "Whyottersfloat", "Otterscatchair", "Whataboutcrabs"


def template_end(chat: ChatTemplate) -> TurnEnds:
    """What the template writes right behind a reply: one special token, or one text.

    A last reply decides; where nothing but blanks follows it, one that another message follows.
    Nothing is found where the template refuses these messages or changes them.
    """
    asked = Message(id="", parent=None, role="user", text=ASKED)
    answer = Message(id="", parent=None, role="assistant", text=ANSWER)
    further = Message(id="", parent=None, role="user", text=FURTHER)
    try:
        alone = _behind_answer(chat, (asked, answer))
        between, found, _ = _behind_answer(chat, (asked, answer, further)).partition(FURTHER)
    except LogitAmpError:
        return TurnEnds()
    for behind in (alone, between if found else ""):
        token = _special_token(chat, behind.lstrip())
        if token is not None:
            return TurnEnds(frozenset({token}))
    # Blanks at its end belong to what a user says.
    text = between.rstrip() if found else ""
    return TurnEnds(texts=(text,)) if text else TurnEnds()


def _behind_answer(chat: ChatTemplate, messages: tuple[Message, ...]) -> str:
    """What the template writes behind the reply; "" if that cannot be found."""
    text = chat.rendered(messages, None, datetime.now(UTC))
    return text.rpartition(ANSWER)[2] if ANSWER in text else ""


def _special_token(chat: ChatTemplate, text: str) -> int | None:
    """The special token that a text begins with."""
    control = chat.special_tokens.control
    found = [token for token, spelling in control.items() if text.startswith(spelling)]
    return max(found, key=lambda token: len(control[token]), default=None)

"""Going on from a token of a text that was read: what a reply is given then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from logit_amp_chat.core.analysis.hunks import Places
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.reading import Chat, Content, PlainText, windows
from logit_amp_chat.core.records import Document, Message, Session, Step, new_id


@dataclass(frozen=True)
class Continuation:
    """A reply to the last of `messages` that is given the token ids `given`.

    With `raw` the last message is a text to continue, without a chat template.
    """

    messages: tuple[Message, ...]
    given: tuple[int, ...]
    raw: bool


def continuation(
    content: Content,
    document: Document,
    steps: Sequence[Step],
    step: int,
    session: Session | None = None,
) -> Continuation:
    """What stands before the scored token `step`, as ids where they are known.

    A text's tokens are given as they were read, those of its window: the prompt is empty, or the
    one token that nothing predicted. In an assistant's message its tokens are given after the
    messages before it, in any other the rendered text before it is the prompt.

    Raises UsageError where that would not be what the models have read.
    """
    match content:
        case PlainText():
            found = _of_text(document, steps, step)
        case Chat(messages=messages):
            found = _of_chat(messages, document, steps, step, session)
        case _:
            raise UsageError(
                "The prompt of this reply is known as token ids alone.",
                "Open its chat (F9) and branch there (enter on a token).",
            )
    ends = session.end_of_turn if session else ()
    if any(token in ends for token in found.given):
        raise UsageError(
            "An end of turn stands before this token: a reply would end there.",
            "Read it as a chat, or go on from a token before it.",
        )
    return found


def _of_text(document: Document, steps: Sequence[Step], step: int) -> Continuation:
    unscored = document.tokens - len(document.offsets)
    begin = _window_begin(document, step + unscored)
    text = _token_text(document, begin) if unscored else ""
    if unscored and not text:
        raise UsageError(
            "The text before this token begins with half a character, which is no prompt.",
            "Put a letter before it and read it again.",
        )
    return Continuation(
        messages=(Message(id="", parent=None, role="user", text=text),),
        given=tuple(one.token for one in steps[begin:step]),
        raw=True,
    )


def _window_begin(document: Document, token: int) -> int:
    """The first token of the window in which a token was measured."""
    # A beginning of text begins every window, unless nothing comes before the first token.
    room = document.window - (document.tokens == len(document.offsets))
    found = windows(document.tokens, room, document.stride)
    return next((one.begin for one in found if one.first <= token < one.end), 0)


def _token_text(document: Document, token: int) -> str:
    """The text of a token, where the very first is not scored."""
    begin = document.offsets[token - 1][0] if token else 0
    return document.text[begin : document.offsets[token][0]]


def _of_chat(
    messages: Sequence[Message],
    document: Document,
    steps: Sequence[Step],
    step: int,
    session: Session | None,
) -> Continuation:
    place = Places(document).of(step)
    span = next((s for s in document.spans if s[0] + 1 == place.message), None)
    if span is None:
        raise UsageError(
            "This token is the chat template's, in no message.", "Choose one of a message."
        )
    number, role, start, _ = span
    given = tuple(one.token for one in steps[:step] if document.offsets[one.index][0] >= start)
    if any(begin < start < end for begin, end in document.offsets[:step]):
        raise UsageError(
            "A token goes over the beginning of this message: no reply begins with it.",
            "Go on from another message.",
        )
    if role == "assistant" and number:
        return Continuation(tuple(messages[:number]), given, raw=False)
    if session is not None and _own_systems(session):
        raise UsageError(
            "The two sides of this pair have system prompts of their own, so that a text before"
            " this message is not the same for both.",
            "Go on from an assistant's message.",
        )
    text = Message(id="", parent=None, role="user", text=document.text[:start])
    return Continuation((text,), given, raw=True)


def _own_systems(session: Session) -> bool:
    sides = [session.profile.get(side) for side in ("before", "after")]
    before, after = (side.get("system") if isinstance(side, dict) else None for side in sides)
    return before != after


def go_on(session: ChatSession, found: Continuation) -> bool:
    """Go on in a new chat, at the live α. False where nothing can be asked."""
    if session.state != "ready":
        return False
    session.new_chat()
    session.comparing = False
    parent: str | None = None
    for message in found.messages:
        said = replace(message, id=new_id("m"), parent=parent)
        session.saved.recorder.begin()
        session.saved.record(said)
        parent = said.id
    session.system = session.conversation.system(parent)
    return parent is not None and session.go_on_from(parent, found.given, raw=found.raw)

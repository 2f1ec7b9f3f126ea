"""Chats and texts in the shapes that data sets have, recognised by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown, some
from logit_amp_chat.core.reading import Chat, Content, PlainText, Score
from logit_amp_chat.core.records import Message, Role
from logit_amp_chat.core.text import clean

EXPECTED = (
    "Expected is a string, a list of messages, or an object with messages (role, content),"
    " conversations (from, value), prompt, prompt and completion, or text."
)

STRING = "string"
"""The shape of texts that are bare JSON strings."""

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "model": "assistant",
}

# A prompt beside one of these is not alone: what stands there would be left out without a word.
_ANSWERS = ("completion", "text", "chosen", "rejected", "response", "output", "answer")

# What a template would put into the prompt and a `Message` does not have: without it, every
# number after it would be that of another text.
_ROW_EXTRAS = ("tools", "functions", "images", "documents")
_MESSAGE_EXTRAS = ("tool_calls", "function_call", "reasoning_content", "reasoning", "thinking")


class Shaped(NamedTuple):
    """A chat or a text, and the name of the shape it came in."""

    shape: str
    content: PlainText | Chat


def recognise(value: object, where: str, score: Score) -> Shaped | None:
    """The chat or text that a JSON value is; None where it has no known shape.

    Raises UsageError for a chat that cannot be read as it is, such as one with images; the
    message begins with `where`.
    """
    if isinstance(value, str):
        return Shaped(STRING, PlainText(text=clean(value)))
    if isinstance(value, list):
        if not is_messages(value):
            return None
        return Shaped("list of messages", Chat(messages=_messages(value, where), score=score))
    if not isinstance(value, dict):
        return None
    if found := _turns(value):
        shape, turns = found
        return Shaped(shape, _chat(turns, value, where, score))
    if isinstance(text := value.get("text"), str):
        return Shaped("text", PlainText(text=clean(text)))
    return None


def is_messages(value: object) -> bool:
    """Whether this is a list whose first item is a message."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return value[0].keys() >= {"role", "content"} or value[0].keys() >= {"from", "value"}


def has_text(content: Content) -> bool:
    """Whether there is anything to score."""
    if isinstance(content, Chat):
        return any(m.text and content.score in ("all", m.role) for m in content.messages)
    return bool(content.text if isinstance(content, PlainText) else content.tokens)


def unknown_shape(value: object, where: str) -> UsageError:
    """The refusal of a value of no known shape, with what it is instead."""
    if isinstance(value, dict):
        what = f"an object with the keys {some(value)}" if value else "an object without keys"
    else:
        what = "a list" if isinstance(value, list) else "neither an object nor a string"
    return UsageError(f"{where}: no chat of a known shape, but {what}.", EXPECTED)


def _turns(row: Mapping[str, object]) -> tuple[str, Sequence[object]] | None:
    """The name of the row's shape and its messages, still as JSON."""
    for key in ("messages", "conversations"):
        value = row.get(key)
        if value == [] or is_messages(value):
            return key, cast(list[object], value)
    prompt = row.get("prompt")
    if row.keys().isdisjoint(_ANSWERS) and (isinstance(prompt, str) or is_messages(prompt)):
        asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return "prompt", cast(list[object], asked)
    sides = {"user": prompt, "assistant": row.get("completion")}
    if not all(isinstance(side, str) or is_messages(side) for side in sides.values()):
        return None
    turns: list[object] = []
    for role, side in sides.items():
        turns += side if isinstance(side, list) else [{"role": role, "content": side}]
    return "prompt and completion", turns


def _chat(turns: Sequence[object], row: Mapping[str, object], where: str, score: Score) -> Chat:
    for key in _ROW_EXTRAS:
        if row.get(key):
            raise _unreadable(where, key)
    if system := row.get("system"):
        first = turns[0] if turns else None
        if isinstance(first, dict) and ROLES.get(str(_role(first))) == "system":
            raise UsageError(
                f"{where}: a system prompt beside the messages, and another among them.",
                "Keep one of the two.",
            )
        turns = [{"role": "system", "content": system}, *turns]
    return Chat(messages=_messages(turns, where), score=score)


def _messages(turns: Sequence[object], where: str) -> tuple[Message, ...]:
    messages: list[Message] = []
    for number, turn in enumerate(turns, 1):
        place = f"{where}: message {number}"
        if not isinstance(turn, dict):
            raise UsageError(f"{place} is no object.", "Give every message a role and content.")
        for key in _MESSAGE_EXTRAS:
            if turn.get(key):
                raise _unreadable(place, key)
        role = ROLES.get(str(_role(turn)))
        if role is None:
            raise UsageError(
                f"{place} has the role {shown(_role(turn))[:40]}, which is not read.",
                f"Read are {', '.join(ROLES)}; leave out chats with other roles.",
            )
        parent = messages[-1].id if messages else None
        text = _text(turn.get("content", turn.get("value")), place)
        messages.append(Message(id=f"m-{number}", parent=parent, role=role, text=text))
    return tuple(messages)


def _role(turn: Mapping[str, object]) -> object:
    return turn.get("role", turn.get("from"))


def _text(content: object, place: str) -> str:
    """A message's text: a string, or the text parts of a list, joined."""
    if isinstance(content, str):
        return clean(content)
    if not isinstance(content, list):
        raise UsageError(f"{place} has no text as its content.", "Give it a string.")
    texts: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("text") if isinstance(part, dict) else part
        if kind not in (None, "text") or not isinstance(text, str):
            named = f"of the type {shown(kind)[:40]}" if kind else "without text"
            raise UsageError(
                f"{place} has a part {named}, which is not read.",
                "Only text is read; leave out chats with images and files.",
            )
        texts.append(text)
    return clean("".join(texts))


def _unreadable(where: str, key: str) -> UsageError:
    return UsageError(
        f"{where} has {key}, which a message cannot hold here.",
        "Read without them its numbers would be those of another text; leave such chats out.",
    )

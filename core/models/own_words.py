"""What a chat template says of its own before a conversation: a system prompt, a date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.special_tokens import SpecialTokens
from logit_amp_chat.core.records import Message, Role

# Private-use characters, so that they are found again.
SYSTEM, FIRST, ANSWER, SECOND = (chr(code) * 2 for code in range(0xE000, 0xE004))
ROLES = ("system", "developer", "user", "assistant")


def own_words(
    render: Callable[[Sequence[Message]], str], special: SpecialTokens, system: str | None
) -> str | None:
    """The words before the first message that do not also stand before later ones.

    With `system` None the conversation has no system prompt, with "" an empty one, else some
    other. Special tokens and the names of roles are no words. Empty where the template refuses
    such a conversation.
    """
    opening = [] if system is None else [_said("system", system and SYSTEM)]
    try:
        written = render([*opening, _said("user", FIRST)]).partition(FIRST)[0]
    except LogitAmpError:
        return None
    later = ""
    turns = [_said("user", FIRST), _said("assistant", ANSWER), _said("user", SECOND)]
    with suppress(LogitAmpError):
        later = render([*opening, *turns]).partition(ANSWER)[2].partition(SECOND)[0]
    pairs = zip(_units(special, written), _units(special, later), strict=False)
    same = sum(len(unit) for unit, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    pieces = special.split(written[: len(written) - same].replace(SYSTEM, ""))
    lines = [line.strip() for piece in pieces[::2] for line in piece.split("\n")]
    return "\n".join(line for line in lines if line and line not in ROLES)


def _units(special: SpecialTokens, text: str) -> Iterator[str]:
    """The special tokens and other characters of a text, from its end."""
    for number, piece in reversed([*enumerate(special.split(text))]):
        yield from [piece] if number % 2 else reversed(piece)


def _said(role: Role, text: str) -> Message:
    return Message(id="", parent=None, role=role, text=text)

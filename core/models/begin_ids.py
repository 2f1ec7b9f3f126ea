"""The ids of a text that goes on from tokens: what a reply is given to begin with."""

from __future__ import annotations

from collections.abc import Sequence

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.special_tokens import ANCHORS
from logit_amp_chat.core.models.token_offsets import Range
from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.records import Message

# As far as a tokenizer looks back from where a text begins.
CONTEXT = 64


def begin_ids(
    chat: ChatTemplate,
    before: Sequence[int],
    text: str,
    *,
    special: bool = False,
) -> tuple[int, ...]:
    """The ids of `text` after the tokens `before`, which stay as they are.

    They are those that the text has in this place, if a token ends where it begins; else those
    of the text alone, without a blank or a beginning of text before it. What it spells like a
    special token is text, as in a message of the assistant, unless it is `special`.
    """
    if not text:
        return ()
    said = Message(id="", parent=None, role="assistant", text=text, special=special)
    literal = [found.span() for found in chat.special_tokens.spelled_in(said)]
    wanted, found = text.encode(errors="replace"), []
    for context in (_text_before(chat.token_bytes, before), *ANCHORS):
        ids = _following(chat, context, text, literal) if context else None
        if ids is None:
            continue
        if b"".join(map(chat.token_bytes.raw, ids)) == wanted:
            return ids
        found.append(ids)
    return found[0] if found else _encoded(chat, text, literal)


def means_tokens(messages: Sequence[Message], *, raw: bool) -> bool:
    """Whether what is given after a prompt means the special tokens that it spells."""
    return raw or (bool(messages) and messages[-1].special)


def _text_before(token_bytes: TokenBytes, before: Sequence[int]) -> str:
    """The text of the last tokens, after the last special one."""
    pieces: list[bytes] = []
    for token in reversed(before[-CONTEXT:]):
        if token_bytes.describe(token)[2]:
            break
        pieces.append(token_bytes.raw(token))
    return b"".join(reversed(pieces)).decode(errors="replace")


def _following(
    chat: ChatTemplate, context: str, text: str, literal: Sequence[Range]
) -> tuple[int, ...] | None:
    """The ids of `text` after `context`; None if a token has characters of both."""
    alone = chat.encoded(context)
    ranges = [(len(context) + start, len(context) + end) for start, end in literal]
    both = _encoded(chat, context + text, ranges)
    return both[len(alone) :] if both[: len(alone)] == alone else None


def _encoded(chat: ChatTemplate, text: str, literal: Sequence[Range]) -> tuple[int, ...]:
    """The ids of a text whose special tokens in these ranges are plain text."""
    if literal:
        try:
            return chat.tokenized(text, literal)[0].ids
        except LogitAmpError:  # a tokenizer that does not say what its tokens are made of
            pass
    return chat.encoded(text)

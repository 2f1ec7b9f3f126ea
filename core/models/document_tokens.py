"""The tokens of a text that is already there, and which of them are scored."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.given_ids import GivenIds
from logit_amp_chat.core.models.message_spans import RenderedChat, render_with_spans
from logit_amp_chat.core.models.token_offsets import Range, decoded
from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.reading import Chat, Content, PlainText, Recorded
from logit_amp_chat.core.records import PromptIds, Role

SCORE_ALL = "Score every token with --score all."


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTokens:
    """A text as both sides read it: `prompt`, which is not scored, then `tokens`.

    `text` is a plain text itself, what the template makes of a chat on the after side, or what
    recorded tokens say, without special tokens, as in a chat. `offsets` are the characters
    [start, end) of it that each token carries: tokens that share a character all have it, a
    token that carries none has an empty range. `prompt` is the beginning of text where the
    tokenizer has one; for a chat whose sides have system prompts of their own all ids up to
    where the sides agree to the end; for recorded tokens their prompt. Without a prompt the
    first token has nothing before it, and is not scored. `spans` are the messages whose place
    is certain: number from 0, role, start and end in `text`.
    """

    text: str
    prompt: PromptIds
    tokens: tuple[int, ...]
    offsets: tuple[Range, ...]
    scored: tuple[bool, ...]
    spans: tuple[tuple[int, Role, int, int], ...] = ()


def document_tokens(
    content: Content,
    moment: datetime,
    *,
    chat: ChatTemplate,
    token_bytes: TokenBytes,
    end_of_turn: frozenset[int],
) -> DocumentTokens:
    """The tokens of what is to be read; `moment` is the time that a template may write.

    A special token's name in a plain text is that token, as with --raw; in a chat it is text, as
    in prompts. With the messages of a role are scored the tokens that carry characters of them;
    with the assistant's also the id of `end_of_turn` after each, a step of a reply like any other.

    Raises LogitAmpError for text that is not valid Unicode, a number that is no id, a tokenizer
    that does not tell what its tokens are made of, a chat that the template refuses or that has
    no message to score, and one where it is not certain which tokens are the scored messages'.
    """
    match content:
        case PlainText(text=text):
            ids, offsets, beginning = _tokenized(chat, text)
            prompt = PromptIds(beginning, beginning)
            return _document(text, prompt, ids, offsets, [True] * len(ids))
        case Recorded(prompt=prompt, tokens=ids):
            text, offsets = decoded([_reply_bytes(token_bytes, i) for i in ids])
            return _document(text, prompt, ids, offsets, [True] * len(ids))
        case Chat():
            return _conversation(content, moment, chat, end_of_turn)


def _document(
    text: str,
    prompt: PromptIds,
    ids: tuple[int, ...],
    offsets: tuple[Range, ...],
    scored: Sequence[bool],
    spans: tuple[tuple[int, Role, int, int], ...] = (),
) -> DocumentTokens:
    """A document whose first token is scored only if something is before it."""
    predicted = bool(prompt.before and prompt.after)
    return DocumentTokens(
        text=text,
        prompt=prompt,
        tokens=ids,
        offsets=offsets,
        scored=(*(one and predicted for one in scored[:1]), *scored[1:]),
        spans=spans,
    )


def _reply_bytes(token_bytes: TokenBytes, token: int) -> bytes:
    """What a token adds to a reply's text: a special one nothing."""
    special = token_bytes.describe(token)[2]
    return b"" if special else token_bytes.raw(token)


def _tokenized(
    chat: ChatTemplate,
    text: str,
    literal: Sequence[Range] = (),
    replies: Mapping[int, Sequence[GivenIds]] | None = None,
) -> tuple[tuple[int, ...], tuple[Range, ...], tuple[int, ...]]:
    """The ids and offsets of a text after the beginning of text, and the ids of that.

    Special tokens that the text spells in the ranges `literal` are plain text; the tokens of
    `replies` are those that were sampled.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LogitAmpError(
            f"The text is not valid Unicode: character {error.start + 1:,} is half of a"
            f" surrogate pair (U+{ord(text[error.start]):04X}).",
            "Remove or replace it.",
        ) from error
    tokenized, _, _ = chat.tokenized(text, literal, [*chain(*(replies or {}).values())])
    ids, offsets = tokenized.ids, tokenized.offsets
    written = len(ids) + len(chat.beginning) - len(chat.begun(ids))
    return ids[written:], offsets[written:], chat.beginning


def _conversation(
    content: Chat,
    moment: datetime,
    chat: ChatTemplate,
    end_of_turn: frozenset[int],
) -> DocumentTokens:
    messages, (before, after) = content.messages, chat.system
    _check_any(content, chat)
    has_own, (first, chat) = chat.has_own_variables, chat.sides
    rendered = render_with_spans(chat, messages, after, moment)
    literal, _ = chat.literal_ranges(rendered.text, messages, after, moment)
    replies, altered = chat.replies(rendered.text, messages, after, moment)
    whole = {n: given for n, given in replies.items() if given and n not in altered}
    rendered.spans.update({n: (given[0].start, given[-1].end) for n, given in whole.items()})
    ids, offsets, beginning = _tokenized(chat, rendered.text, literal, replies)
    scored = _scored(content, rendered, ids, offsets, end_of_turn)
    spans = tuple((n, messages[n].role, *rendered.spans[n]) for n in sorted(rendered.spans))
    theirs, differing = ids, 0
    if before != after or has_own:
        text = first.rendered(messages, before, moment)
        literal, _ = first.literal_ranges(text, messages, before, moment)
        replies, _ = first.replies(text, messages, before, moment)
        theirs = _tokenized(first, text, literal, replies)[0]
        differing = len(ids) - _common_end(theirs, ids)
        if content.score != "all" and True in scored[:differing]:
            start = offsets[scored.index(True)][0]
            number = next(n for n, role, _, end in spans if role == content.score and end >= start)
            raise LogitAmpError(
                f"The sides' own prompts differ after message {number + 1}"
                f" ({content.score}) of {len(messages)}, or in it.",
                "Give both sides the same prompt, or score what follows with --score all.",
            )
        differing = _end_of_system(ids, offsets, differing, spans, end_of_turn)
    theirs = theirs[: len(theirs) - len(ids) + differing]
    return _document(
        rendered.text,
        PromptIds(beginning + theirs, beginning + ids[:differing]),
        ids[differing:],
        offsets[differing:],
        scored[differing:],
        spans,
    )


def _end_of_system(
    ids: Sequence[int],
    offsets: Sequence[Range],
    differing: int,
    spans: Sequence[tuple[int, Role, int, int]],
    end_of_turn: frozenset[int],
) -> int:
    """Where a system prompt ends whose first `differing` ids are a side's own.

    Its last words may be the same on both sides, and belong to it all the same: every window
    begins with the whole prompt, if an end of turn before the first message says where it ends.
    """
    starts = [start for _, role, start, _ in spans if role != "system"]
    for n in range(differing, len(ids)):
        if starts and offsets[n][0] >= min(starts):
            break
        if ids[n] in end_of_turn:
            return n + 1
    return differing


def _check_any(content: Chat, chat: ChatTemplate) -> None:
    """Check that a chat has a message to score.

    Raises LogitAmpError if not, or if the sides' own system prompts replace it.
    """
    wanted = content.score
    if not content.messages:
        raise LogitAmpError("The chat has no messages.", "Give at least one.")
    if wanted != "all" and not any(m.role == wanted for m in content.messages):
        raise LogitAmpError(
            f"The chat has no {wanted} message to score.",
            "Choose whose tokens are scored with --score.",
        )
    if wanted == "system" and chat.system != (None, None):
        raise LogitAmpError(
            "The chat's system prompt is not read by both sides: the profile has one of its own.",
            "Use a profile without system prompts, or score other messages with --score.",
        )


def _scored(
    content: Chat,
    rendered: RenderedChat,
    ids: Sequence[int],
    offsets: Sequence[Range],
    end_of_turn: frozenset[int],
) -> list[bool]:
    """Which tokens are scored, by the characters that they carry."""
    if content.score == "all":
        return [True] * len(ids)
    said = bytearray(len(rendered.text))  # 1 where a scored message has its characters
    places = _places(content, rendered)
    for start, end in places:
        said[start:end] = bytes([1]) * (end - start)
    scored = [1 in said[start:end] for start, end in offsets]
    if content.score == "assistant":
        starts = [start for start, _ in offsets]
        for _, end in places:
            following = bisect_left(starts, end)
            if following < len(ids) and ids[following] in end_of_turn:
                scored[following] = True
    return scored


def _places(content: Chat, rendered: RenderedChat) -> list[Range]:
    """Where the scored messages stand: the template's own word for it, else their text.

    Raises LogitAmpError, with the message's number, if one of them is nowhere for certain.
    """
    own = rendered.generated if content.score == "assistant" else {}
    if own:
        return [*own.values()]
    places = []
    for n, message in enumerate(content.messages):
        if message.role != content.score:
            continue
        if n not in rendered.spans:
            raise LogitAmpError(
                f"It is not certain where message {n + 1} ({message.role}) of"
                f" {len(content.messages)} stands in the prompt: the chat template drops or"
                " rewrites parts of it.",
                SCORE_ALL,
            )
        places.append(rendered.spans[n])
    return places


def _common_end(left: Sequence[int], right: Sequence[int]) -> int:
    """How many ids two sequences have in common at their ends."""
    pairs = zip(reversed(left), reversed(right), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))

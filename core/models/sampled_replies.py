"""Replies in rendered conversations, as the ids that were sampled.

A template gets of a reply what it asks for: the answer, and the thinking in a field of its own or
with its marks, which it keeps or drops as its family does. What it then writes is found again, and
all around it that is as the reply has it is the reply, to the next token.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from logit_amp_chat.core.models.given_ids import GivenIds
from logit_amp_chat.core.models.prompt_ids import Tokenized, encoded
from logit_amp_chat.core.models.text_marks import Part as Marked
from logit_amp_chat.core.models.text_marks import located
from logit_amp_chat.core.models.token_offsets import Range
from logit_amp_chat.core.models.vocabulary import TokenBytes, Tokenizer
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.transcripts.reply_parts import (
    CHANNEL,
    THINKING,
    DescribedToken,
    Part,
    ReplyParts,
    is_thinking,
)

Turn = dict[str, object]
"""A message as a chat template takes it."""

ALTERED = (
    "The chat template does not write every reply as the models said it (it drops spaces, or puts"
    " parts together anew): what it alters is tokenized from its text, the rest is as sampled."
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a reply in a field of its turn: characters from `start` on are from `part`."""

    field: str
    start: int
    part: Part


@dataclass(frozen=True, slots=True)
class SampledTurn:
    """A reply as a template takes it, and where that is from.

    `rewritten`: it has more than the template can write as it was said, such as a tool call in a
    channel.
    """

    ids: tuple[int, ...]
    parts: ReplyParts
    turn: Turn
    pieces: tuple[Piece, ...]
    rewritten: bool = False


def sampled_turn(
    message: Message, template: str | None, tokenizer: Tokenizer, token_bytes: TokenBytes
) -> SampledTurn:
    """What a template gets of a message that has the ids of a reply.

    Templates that know channels get thinking as `thinking`, those that ask for it get
    `reasoning_content`, and all others the whole reply with its marks, as they cut it themselves.
    """
    ids = message.token_ids or ()
    parts = ReplyParts(message.thinks)
    for i in ids:
        parts.add(DescribedToken(*token_bytes.describe(i)))
    parts.finish()
    fields, head = _fields_of(parts, template or ""), ""
    if message.thinks and len(fields) == 1:
        head = _opening(parts)
    turn, pieces = _written(parts, fields, head)
    content = str(turn["content"])
    if template is None:
        turn["sampled"] = True
    elif not head and content.startswith(" ") and _adds_blank(tokenizer, ids):
        turn["content"] = content[1:]
        pieces = tuple(
            replace(one, start=one.start - 1) if one.field == "content" else one for one in pieces
        )
    apart = "thinking" in fields and any(p.kind in ("tool call", "channel") for p in parts.parts)
    if apart and not content and "tool_calls" in (template or "") and (calls := _tool_calls(parts)):
        turn["tool_calls"] = calls
    return SampledTurn(ids, parts, turn, pieces, rewritten=apart)


def _tool_calls(parts: ReplyParts) -> list[dict[str, object]]:
    """The last tool call, as templates that put it into a channel take it."""
    calls = [part for part in parts.parts if part.kind == "tool call"]
    found: list[dict[str, object]] = []
    for part in calls[-1:]:
        arguments: object = _text(parts, part)
        with suppress(ValueError):
            arguments = json.loads(str(arguments))
        called = {"name": part.name.removeprefix("functions."), "arguments": arguments}
        found.append({"type": "function", "function": called})
    return found


def _fields_of(parts: ReplyParts, template: str) -> dict[str, list[Part]]:
    """The parts that a template gets in each field; the end of the turn is its own to write."""
    said = [*parts.parts]
    while said and said[-1].kind == "special":
        said.pop()
    thinking = [part for part in said if part.kind == "thinking"]
    if CHANNEL in template and any(CHANNEL in _text(parts, p) for p in said if p.kind == "mark"):
        return {"content": [p for p in said if p.kind == "answer"], "thinking": thinking}
    if thinking and "reasoning_content" in template:
        start = max(part.end for part in said if is_thinking(part))
        content = [part for part in said if part.start >= start]
        return {"content": content, "reasoning_content": thinking}
    return {"content": said}


def _text(parts: ReplyParts, part: Part) -> str:
    return parts.text(part.start, part.end)


def _opening(parts: ReplyParts) -> str:
    """How the prompt began the thinking that a reply ends."""
    marks = [_text(parts, part) for part in parts.parts if part.kind == "mark"]
    return next((b.begin for b in THINKING if b.end in marks[:1]), THINKING[0].begin) + "\n"


def _written(
    parts: ReplyParts, fields: Mapping[str, Sequence[Part]], head: str
) -> tuple[Turn, tuple[Piece, ...]]:
    """The turn with these parts in its fields, without newlines between thinking and answer."""
    turn: Turn = {"role": "assistant"}
    pieces: list[Piece] = []
    for field, chosen in fields.items():
        said = head if field == "content" else ""
        for n, part in enumerate(chosen):
            text = _text(parts, part)
            if "reasoning_content" in fields and not n:
                part = Part(part.kind, part.end - len(text.lstrip("\n")), part.end, part.name)
                text = text.lstrip("\n")
            pieces.append(Piece(field, len(said), part))
            said += text
        if field == "content" or said:
            turn[field] = said
    return turn, tuple(pieces)


def _adds_blank(tokenizer: Tokenizer, ids: Sequence[int]) -> bool:
    """Whether the blank that a reply's tokens begin with is none of its text: sentencepiece."""
    text = tokenizer.decode(list(ids[:2]), clean_up_tokenization_spaces=False)
    return not str(text).startswith(" ")


# --- where they are ---------------------------------------------------------------


def sampled_ids(
    text: str,
    turns: Sequence[Turn],
    sampled: Mapping[int, SampledTurn],
    render: Callable[[Sequence[Turn]], str],
) -> tuple[dict[int, list[GivenIds]], set[int]]:
    """The ids of the replies `sampled`, by the number of their turn, in `text`, a rendering.

    Also the numbers of those that the template alters: not all that it writes of them is theirs.
    """
    fields = [(n, name) for n, one in sampled.items() for name in _fields(one) if name in turns[n]]
    said = [_message(str(turns[n][name])) for n, name in fields]
    marked = [
        (Marked(number, *core), n, piece)
        for number, (n, name) in enumerate(fields)
        for piece in sampled[n].pieces
        if piece.field == name and piece.part.kind != "mark"
        if (core := _core(said[number].text, piece))
    ]

    def rendered(messages: Sequence[Message]) -> str:
        changed = [dict(turn) for turn in turns]
        for (n, name), message in zip(fields, messages, strict=True):
            changed[n][name] = message.text
        return render(changed)

    found, lost = located(text, said, [part for part, _, _ in marked], rendered)
    repeated = Counter(part for _, part in found)
    places = {part: at for at, part in found if repeated[part] == 1}
    given: dict[int, list[GivenIds]] = {}
    altered = {n for part, n, _ in marked if part in lost}
    altered |= {n for n, one in sampled.items() if one.rewritten}
    for part, n, piece in marked:
        own = given.setdefault(n, [])
        if part not in places:
            altered |= {n} if piece.part.kind in ("answer", "tool call") else set()
            continue
        place = places[part]
        if not _covered(place, own):
            at = piece.part.start + part.start - piece.start
            own += _around(text, place, sampled[n], at)
        altered |= set() if _covered(place, own) else {n}
    return given, altered


def _covered(place: Range, given: Sequence[GivenIds]) -> bool:
    return any(one.start <= place[0] and place[1] <= one.end for one in given)


def _fields(one: SampledTurn) -> Iterator[str]:
    yield from dict.fromkeys(piece.field for piece in one.pieces)


def _message(text: str) -> Message:
    return Message(id="", parent=None, role="assistant", text=text)


def _core(said: str, piece: Piece) -> Range | None:
    """The characters of a piece in its field, without the spaces at its ends; None if blank."""
    start = max(0, piece.start)
    text = said[start : piece.start + piece.part.end - piece.part.start]
    if not (core := text.strip()):
        return None
    start += len(text) - len(text.lstrip())
    return start, start + len(core)


def _around(text: str, place: Range, one: SampledTurn, at: int) -> Iterator[GivenIds]:
    """The whole tokens of a reply that a text has around a place, which is its character `at`."""
    whole = one.parts.text(0, one.parts.length)
    start, stop = place[0], at
    while start > 0 and stop > 0 and text[start - 1] == whole[stop - 1]:
        start, stop = start - 1, stop - 1
    first, end = stop, at
    begin, start = start, place[0]
    while start < len(text) and end < len(whole) and text[start] == whole[end]:
        start, end = start + 1, end + 1
    starts = one.parts.starts
    ends = [*starts[1:], len(whole)]
    left, right = bisect_left(starts, first), bisect_right(ends, end)
    while right > left and starts[right - 1] == ends[right - 1]:  # part of a character
        right -= 1
    if left < right:
        begin += starts[left] - first
        length = ends[right - 1] - starts[left]
        yield GivenIds(begin, begin + length, one.ids[left:right])


def widened(
    tokenizer: Tokenizer,
    token_bytes: TokenBytes,
    text: str,
    tokenized: Tokenized,
    given: Sequence[GivenIds],
) -> list[GivenIds]:
    """The same ranges, wider where they begin or end within a token of the text.

    A prompt ended where a reply began: what stands before it there was tokenized by itself.
    """
    starts = [start for start, _ in tokenized.offsets]
    wider = []
    for one in given:
        start, end = one.start, one.end
        first = bisect_left(starts, start) - 1
        if first >= 0 and tokenized.offsets[first][1] > start:
            start = tokenized.offsets[first][0]
        last = bisect_left(starts, end) - 1
        if last >= 0 and tokenized.offsets[last][1] > end:
            end = tokenized.offsets[last][1]
        before, behind = text[start : one.start], text[one.end : end]
        around = [encoded(tokenizer, piece) if piece else () for piece in (before, behind)]
        same = [b"".join(map(token_bytes.raw, ids)).decode(errors="replace") for ids in around]
        if same == [before, behind]:
            one = GivenIds(start, end, (*around[0], *one.ids, *around[1]))
        wider.append(one)
    return wider

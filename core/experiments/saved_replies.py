"""What saved chats of our own have to read: replies as their tokens, else the chat as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import Findings, Located, shown
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.reading import Chat, Content, PlainText, Recorded, Score
from logit_amp_chat.core.records import Document, Message, Record, Reply, Session, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line, is_unreadable
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

HEAD_LINES = 64
HEAD_BYTES = 1 << 20
LINE_BYTES = 1 << 26
_OURS = (Session, Message, Reply, Step, Document)


def is_transcript(file: BinaryIO) -> bool:
    """Whether one of the first lines is a record of ours, and the first one begins like one."""
    file.seek(0)
    if file.read(1) != b"{":
        return False
    file.seek(0)
    lines = (file.readline(HEAD_BYTES) for _ in range(HEAD_LINES))
    return any(isinstance(from_line(line), _OURS) for line in lines if line.strip())


def read_saved(
    file: BinaryIO, name: str, score: Score, vocabulary: str | None, findings: Findings
) -> Iterator[Located]:
    """The texts of documents as they come, then the replies or the chat of a transcript.

    Replies are read as their tokens where the assistant's tokens are scored and their ids mean
    the same as in `vocabulary`, a pair's fingerprint (None: any). Where that is so for none, the
    thread that the chat would go on from is read through the template.
    """
    state, lines, damaged = Conversation(), dict[str, int](), 0
    for line, record in _records(file, name):
        match record:
            case Document():
                if not findings.shapes["document"]:
                    findings.notices.append(f"{shown(name)}: {AGAIN}")
                findings.shapes["document"] += 1
                place = f"{record.source} {record.place}".strip()
                yield Located(place, line, _content(record, score))
            case Step():
                state.add(dataclasses.replace(record, top=()))  # most of what a step weighs
            case _:
                if isinstance(record, Message | Reply):
                    lines.setdefault(record.id, line)
                damaged += is_unreadable(record)
                state.add(record)
    if damaged:
        findings.notices.append(f"{shown(name)}: damaged lines, left out: {damaged:,}.")
    yield from _conversation(state, lines, name, score, vocabulary, findings)


AGAIN = (
    "texts of a diff are read again from what it has of them: chats by the messages that were found"
    " in their text, replies without their prompts."
)


def _content(document: Document, score: Score) -> Content:
    """What was read: a chat by the messages that its text has, any other text as it is."""
    messages: list[Message] = []
    for number, role, start, end in document.spans:
        parent = messages[-1].id if messages else None
        text = document.text[start:end]
        messages.append(Message(id=f"m-{number}", parent=parent, role=role, text=text))
    if not messages:
        return PlainText(text=document.text)
    return Chat(messages=tuple(messages), score=score)


def _records(file: BinaryIO, name: str) -> Iterator[tuple[int, Record]]:
    file.seek(0)
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            raise UsageError(
                f"{shown(name)}:{number}: longer than {LINE_BYTES >> 20} MB.",
                "No record is that long; leave the line out.",
            )
        if line.strip():
            yield number, from_line(line)


def _conversation(
    state: Conversation,
    lines: dict[str, int],
    name: str,
    score: Score,
    vocabulary: str | None,
    findings: Findings,
) -> Iterator[Located]:
    replies = [log for log in state.replies.values() if log.steps]
    readable = [log for log in replies if _has_ids_of(vocabulary, log)]
    if score == "assistant" and readable:
        for log in readable:
            place = describe.place(state, log)
            recorded = _recorded(log, name, place, findings)
            if recorded.tokens:
                findings.shapes["reply"] += 1
                yield Located(place, lines.get(log.id, 1), recorded)
        if others := len(replies) - len(readable):
            findings.notices.append(
                f"{shown(name)}: replies in another vocabulary, left out: {others:,}."
            )
    elif state.leaf is not None:
        if score == "assistant" and replies:
            findings.notices.append(
                f"{shown(name)}: replies in another vocabulary; the open thread is read as a chat."
            )
        messages = tuple(
            message
            if _has_ids_of(vocabulary, state.replies.get(message.id))
            else dataclasses.replace(message, token_ids=None, thinks=False)
            for message in state.prompt(state.leaf)
        )
        if messages[-1:] and messages[-1].role == "assistant" and not messages[-1].text:
            messages = messages[:-1]  # a reply that never began
        first = messages[0].id if messages else ""
        findings.shapes["open thread"] += 1
        yield Located("", lines.get(first, 1), Chat(messages=messages, score=score))


def _has_ids_of(vocabulary: str | None, log: ReplyLog | None) -> bool:
    if vocabulary is None:
        return True
    return log is not None and log.session is not None and log.session.vocabulary == vocabulary


def _recorded(log: ReplyLog, name: str, place: str, findings: Findings) -> Recorded:
    """The reply's tokens up to the first that is missing: those after it had another context."""
    tokens = _in_order(log.steps)
    if lost := len(log.steps) - len(tokens):
        findings.notices.append(
            f"{shown(name)}: {place} lacks token {len(tokens) + 1}; the tokens after it are left"
            f" out: {lost:,}."
        )
    return Recorded(prompt=log.reply.prompt, tokens=tokens)


def _in_order(steps: Sequence[Step]) -> tuple[int, ...]:
    gap = next((n for n, step in enumerate(steps) if step.index != n), len(steps))
    return tuple(step.token for step in steps[:gap])

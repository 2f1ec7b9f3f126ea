"""The thread a saved conversation would go on from, without parsing the steps of the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from logit_amp_chat.core.records import Message, Record, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

MOST_BYTES = 1 << 26
"""What is read of one file: the steps of about 40,000 tokens."""

MOST_STEPS = 2_000
"""Steps that are parsed, from the first reply of the thread on."""

LINE_BYTES = 1 << 20
_STEP = b'{"type":"step","reply":"'


def open_messages(path: Path) -> Conversation:
    """The conversation without any step; raises OSError."""
    return Conversation(_records(path))


def open_thread(path: Path) -> list[Message | ReplyLog]:
    """The open thread with the beginning of its replies' text; raises OSError."""
    state = open_messages(path)
    thread = state.thread()
    wanted = frozenset(item.id.encode() for item in thread if isinstance(item, ReplyLog))
    parsed = 0
    for line in _lines(path):
        if parsed < MOST_STEPS and line.startswith(_STEP) and _reply_of(line) in wanted:
            record = from_line(line)
            if isinstance(record, Step):
                state.add(record)
                parsed += 1
    return thread


def _reply_of(line: bytes) -> bytes:
    """The id in a step's line; those of our own files have no escapes."""
    return line[len(_STEP) : line.find(b'"', len(_STEP))]


def _records(path: Path) -> Iterator[Record]:
    for line in _lines(path):
        if line.strip() and not line.startswith(_STEP):
            yield from_line(line)


def _lines(path: Path) -> Iterator[bytes]:
    left = MOST_BYTES
    with path.open("rb") as file:
        while left > 0 and (line := file.readline(LINE_BYTES)):
            left -= len(line)
            yield line

"""What the records of a transcript add up to: a tree of messages and replies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from core.records import (
    Change,
    Finish,
    Keep,
    Message,
    Note,
    Record,
    Reply,
    Session,
    Step,
)
from core.text import Utf8Stream


@dataclass
class ReplyLog:
    """One reply and all that happened in it; `finish` is None while it runs or was cut off."""

    reply: Reply
    steps: list[Step] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    finish: Finish | None = None
    _stream: Utf8Stream = field(default_factory=Utf8Stream, repr=False)
    _pieces: list[str] = field(default_factory=list, repr=False)

    @property
    def id(self) -> str:
        """The reply's id."""
        return self.reply.id

    @property
    def text(self) -> str:
        """What was said so far, without special tokens.

        A character whose bytes are still to come is held back until the next
        step, or shown as U+FFFD once the reply is finished.
        """
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, record: Step | Change | Finish) -> None:
        """Take the next thing that happened."""
        if isinstance(record, Step):
            self.steps.append(record)
            if not record.special:
                self._pieces.append(self._stream.feed(step_bytes(record)))
        elif isinstance(record, Change):
            self.changes.append(record)
        else:
            self.finish = record
            self._pieces.append(self._stream.finish())


def step_bytes(step: Step) -> bytes:
    """The bytes a step adds to its reply, special or not."""
    if step.bytes is not None:
        try:
            return bytes.fromhex(step.bytes)
        except ValueError:  # a stranger's file
            pass
    return step.text.encode("utf-8", "surrogatepass")


class Conversation:
    """State derived from records, in their order.

    The only place where the tree is understood: a message's parent is the
    message or reply it follows, a reply's parent the message it answers.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.session: Session | None = None
        self.messages: dict[str, Message] = {}
        self.replies: dict[str, ReplyLog] = {}
        self.notes: list[Note] = []
        self.leaf: str | None = None
        """Id of the message or kept reply from which the conversation goes on; may be set."""
        self._answers: defaultdict[str | None, list[ReplyLog]] = defaultdict(list)
        self._kept: dict[str | None, ReplyLog] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Take the next record. Those that fit nowhere change nothing."""
        match record:
            case Session():
                self.session = record
            case Message():
                self.messages[record.id] = record
                self.leaf = record.id
            case Reply():
                self._add_reply(record)
            case Step() | Change() | Finish():
                if log := self.replies.get(record.reply):
                    log.add(record)
            case Keep():
                if log := self.replies.get(record.reply):
                    self._kept[log.reply.parent] = log
                    self.leaf = log.id
            case Note():
                self.notes.append(record)
            case _:
                pass

    def _add_reply(self, reply: Reply) -> None:
        """A new amplified lane takes the place of what was kept, any other only a free one."""
        if reply.id in self.replies:
            return
        log = ReplyLog(reply)
        old = self._kept.get(reply.parent)
        self.replies[reply.id] = log
        self._answers[reply.parent].append(log)
        if old is None or reply.lane == "amplified":
            self._kept[reply.parent] = log
            if self.leaf == reply.parent or (old and self.leaf == old.id):
                self.leaf = reply.id

    def replies_to(self, message_id: str | None) -> list[ReplyLog]:
        """Every reply to a message, in order: lanes and later attempts."""
        return list(self._answers.get(message_id, ()))

    def kept(self, message_id: str | None) -> ReplyLog | None:
        """The reply that is the history: the last one kept or decoded as amplified.

        Where there is neither, the first reply.
        """
        return self._kept.get(message_id)

    def thread(self, leaf: str | None = None) -> list[Message | ReplyLog]:
        """The messages and replies from the first one to `leaf` (default: the current leaf)."""
        return list(self._ancestors(self.leaf if leaf is None else leaf))[::-1]

    def _ancestors(self, node: str | None) -> Iterator[Message | ReplyLog]:
        seen: set[str] = set()
        while node is not None and node not in seen:  # a stranger's file may hold a circle
            seen.add(node)
            if log := self.replies.get(node):
                yield log
                node = log.reply.parent
            elif message := self.messages.get(node):
                yield message
                node = message.parent
            else:
                return

    def history(self, leaf: str | None = None) -> tuple[Message, ...]:
        """The thread as a `Request` wants it: replies as assistant messages with the reply's id."""
        return tuple(
            item
            if isinstance(item, Message)
            else Message(id=item.id, parent=item.reply.parent, role="assistant", text=item.text)
            for item in self.thread(leaf)
        )

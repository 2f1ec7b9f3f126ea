"""The tree of messages and replies that the records of a transcript add up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.prompts import system_prompt
from logit_amp_chat.core.records import (
    Change,
    Finish,
    Keep,
    Message,
    Name,
    Note,
    Opening,
    Record,
    Reply,
    Session,
    Step,
    Title,
    Variables,
)
from logit_amp_chat.core.sampling import Ends
from logit_amp_chat.core.transcripts.opening_log import NO_VARIABLES, OpeningLog, opening_key
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


class Conversation:
    """State derived from records, in their order.

    A message's parent is the message or reply that it follows, a reply's
    parent the message that it answers.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.session: Session | None = None
        self.began: str | None = None
        """When its first session began: the moment that its prompts may name."""
        self.messages: dict[str, Message] = {}
        self.replies: dict[str, ReplyLog] = {}
        self.notes: list[Note] = []
        self.title = ""
        self.leaf: str | None = None
        """Id of the message or kept reply that the conversation continues from; may be set."""
        self._follows: defaultdict[str | None, list[Message]] = defaultdict(list)
        self._answers: defaultdict[str | None, list[ReplyLog]] = defaultdict(list)
        self._kept: dict[str | None, ReplyLog] = {}
        self._places: dict[str, str | None] = {}  # of a message: the reply that it follows
        self._said_in: dict[str, Session | None] = {}  # of a message
        self._said_at: defaultdict[str | None, list[Message]] = defaultdict(list)
        self._openings: defaultdict[str | None, dict[object, OpeningLog]] = defaultdict(dict)
        self._beside: dict[tuple[str, ...], Session] = {}  # by stages, those beside the session
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Add the next record; one that fits nowhere is ignored."""
        match record:
            case Session():
                self._add_session(record)
            case Message():
                self._add_message(record)
            case Reply():
                self._add_reply(record)
            case Step() | Change() | Finish():
                if log := self.replies.get(record.reply):
                    log.add(record)
            case Opening():
                measured = OpeningLog(record, self.session)
                self._openings[record.parent][measured.key] = measured
            case Keep():
                self._keep(record.reply)
            case Note():
                self._note(record)
            case Title():
                self.title = record.text
            case Blamed() if record.is_whole:
                if log := self.replies.get(record.reply):
                    log.blamed = record
            case Name():
                if log := self.replies.get(record.reply):
                    log.name = record.text
            case _:
                pass

    def _add_session(self, session: Session) -> None:
        """One that was opened beside another is that of replies with its stages."""
        if session.beside is not None:
            self._beside[tuple(session.profile.get("pair") or ())] = session
            return
        self.session = session
        self.began = self.began or session.time

    def _add_message(self, message: Message) -> None:
        self.messages[message.id] = message
        self._said_in[message.id] = self.session
        self._follows[message.parent].append(message)
        # Between two versions of a message the system prompt may have changed.
        place = message.parent
        if place is not None and place in self._places and self.messages[place].role == "system":
            place = self._places[place]
        self._places[message.id] = place
        if message.role == "user":
            self._said_at[place].append(message)
        self.leaf = message.id

    def _keep(self, node: str) -> None:
        if log := self.replies.get(node):
            self._kept[log.reply.parent] = log
        if node in self.replies or node in self.messages:
            self.leaf = node

    def _note(self, note: Note) -> None:
        place = note.about, note.step
        self.notes = [old for old in self.notes if (old.about, old.step) != place]
        if note.text:
            self.notes.append(note)
        if log := self.replies.get(note.about):
            log.notes.pop(note.step, None)
            if note.text:
                log.notes[note.step] = note.text

    def _add_reply(self, reply: Reply) -> None:
        """An amplified reply becomes the kept one; any other only where none is kept."""
        if reply.id in self.replies:
            return
        aside = self._beside.get(reply.stages) if reply.stages else None
        log = ReplyLog(reply, aside or self.session, self.session if aside else None)
        old = self._kept.get(reply.parent)
        self.replies[reply.id] = log
        self._answers[reply.parent].append(log)
        if old is None or reply.lane == "amplified":
            self._kept[reply.parent] = log
            if self.leaf == reply.parent or (old and self.leaf == old.id):
                self.leaf = reply.id

    def replies_to(self, message_id: str | None) -> list[ReplyLog]:
        """Every reply to a message, in order: all lanes and later attempts."""
        return list(self._answers.get(message_id, ()))

    def unused_seed(self, message_id: str | None, first: int) -> int:
        """A seed that no reply to a message has; `first` where there is no reply."""
        seeds = [log.reply.seed for log in self._answers.get(message_id, ())]
        return max(seeds) + 1 if seeds else first

    def is_raw(self, message_id: str) -> bool:
        """Whether a message is a text that replies continue, without a chat template."""
        return any(log.reply.raw for log in self._answers.get(message_id, ()))

    def kept(self, message_id: str | None) -> ReplyLog | None:
        """The reply that is the history: the last one kept or amplified, else the first."""
        return self._kept.get(message_id)

    def openings(self, message_id: str | None) -> list[OpeningLog]:
        """What was measured of the answers to a message: the newest for each path, α and pair."""
        return list(self._openings.get(message_id, {}).values())

    def stray_openings(self) -> list[OpeningLog]:
        """Those of messages that are not there, as in a damaged file."""
        strays = [id for id in self._openings if id not in self.messages]
        return [log for id in strays for log in self.openings(id)]

    def opening(
        self,
        message_id: str,
        path: tuple[int, ...],
        alpha: float,
        ends: Ends = "mix",
        template: Variables = NO_VARIABLES,
    ) -> Opening | None:
        """What was measured after a path with the pair of the last session."""
        key = opening_key(path, alpha, ends, template, self.session)
        found = self._openings.get(message_id, {}).get(key)
        return found.opening if found else None

    def siblings(self, log: ReplyLog) -> list[ReplyLog]:
        """Every reply of this lane to the same message, in order; `log` is one of them."""
        return [other for other in self._answers[log.reply.parent] if _same_lane(other, log)]

    def versions(self, message: Message) -> list[Message]:
        """What the user said at the same place, in order; `message` is one of them."""
        said = self._said_at[self._places.get(message.id)]
        return said if message in said else [message]

    def answers(self, message: Message, lane: str) -> list[tuple[Message, ReplyLog | None]]:
        """Every version of a message with every reply to it in `lane`, in order.

        A version that this lane has not answered stands with its kept reply, or with None.
        """
        return [
            (version, log)
            for version in self.versions(message)
            for log in self._in_lane(version.id, lane) or [self.kept(version.id)]
        ]

    def _in_lane(self, message_id: str | None, lane: str) -> list[ReplyLog | None]:
        return [log for log in self._answers[message_id] if log.reply.lane == lane]

    def newest(self, node: str) -> str:
        """The leaf below a message or reply, by way of the newest messages and kept replies."""
        seen: set[str] = set()
        last = self.replies.get(node)
        while node not in seen:
            seen.add(node)
            if said := self._follows.get(node):
                node = said[-1].id
            elif (log := self._reply_after(node, last)) is not None:
                node, last = log.id, log
        return node

    def _reply_after(self, message_id: str, last: ReplyLog | None) -> ReplyLog | None:
        """The kept reply to a message, or the newest one, that continues the reply `last`."""
        kept = self._kept.get(message_id)
        found = [*self._answers.get(message_id, ()), *([kept] if kept else [])]
        return next(
            (log for log in reversed(found) if last is None or self.previous(log.id) is last), None
        )

    def thread(self, leaf: str | None = None) -> list[Message | ReplyLog]:
        """The messages and replies from the first one to `leaf` (default: the current leaf)."""
        return list(self._ancestors(self.leaf if leaf is None else leaf))[::-1]

    def _ancestors(
        self, node: str | None, follows: str | None = None
    ) -> Iterator[Message | ReplyLog]:
        """From `node` up; the first reply above it is `follows` instead, where that is given."""
        seen: set[str] = set()
        while node is not None and node not in seen:  # untrusted files may have cycles
            if node in self.replies and follows in self.replies:
                node, follows = follows, None
                assert node is not None
            seen.add(node)
            if log := self.replies.get(node):
                yield log
                node, follows = log.reply.parent, log.reply.follows
            elif message := self.messages.get(node):
                yield message
                node = message.parent
            else:
                return

    def previous(self, node: str | None) -> ReplyLog | None:
        """The reply that a message follows, or that the message a reply answers does for it."""
        above = (i for i in self._ancestors(node) if isinstance(i, ReplyLog) and i.id != node)
        return next(above, None)

    def history(self, leaf: str | None = None, follows: str | None = None) -> tuple[Message, ...]:
        """The thread as a `Request` wants it: replies as assistant messages.

        They have their ids, unless these are from another vocabulary than the last session's.
        """
        thread = list(self._ancestors(self.leaf if leaf is None else leaf, follows))
        return tuple(map(self._as_message, reversed(thread)))

    def _as_message(self, item: Message | ReplyLog) -> Message:
        said_in = item.session if isinstance(item, ReplyLog) else self._said_in.get(item.id)
        known = _same_vocabulary(said_in, self.session)
        if isinstance(item, ReplyLog):
            return item.as_message(with_ids=known)
        return item if known else replace(item, token_ids=None, thinks=False)

    # --- the current thread -----------------------------------------------------

    @property
    def has_own_histories(self) -> bool:
        """Whether any lane has answered the user's last message from a history of its own."""
        asked = self.last_user_message()
        return asked is not None and any(log.reply.follows for log in self._answers[asked.id])

    def last_reply(self) -> ReplyLog | None:
        """The newest reply in the current thread."""
        return next((i for i in self._ancestors(self.leaf) if isinstance(i, ReplyLog)), None)

    def last_user_message(self) -> Message | None:
        """The user's last message in the current thread."""
        said = (i for i in self._ancestors(self.leaf) if isinstance(i, Message))
        return next((message for message in said if message.role == "user"), None)

    def said(self) -> list[str]:
        """The user's messages in the current thread, oldest first."""
        return [m.text for m in self.thread() if isinstance(m, Message) and m.role == "user"]

    def system(self, leaf: str | None) -> str | None:
        """The system prompt in force at a message or reply; None: the template's, "": none."""
        found = system_prompt(self.history(leaf)) if leaf is not None else None
        return found.text if found is not None else None

    def prompt(self, leaf: str, follows: str | None = None) -> tuple[Message, ...]:
        """The messages of a request for a reply to `leaf`: one system prompt, then the turns.

        The message continues the reply `follows` instead of the one it was said to, if given.
        """
        history = self.history(leaf, follows)
        system = system_prompt(history)
        turns = [m for m in history if m.role != "system"]
        return (*([system] if system is not None else []), *turns)


def _same_vocabulary(a: Session | None, b: Session | None) -> bool:
    return a is None or b is None or a.vocabulary == b.vocabulary


def _same_lane(a: ReplyLog, b: ReplyLog) -> bool:
    return a.reply.lane == b.reply.lane

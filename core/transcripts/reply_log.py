"""One reply of a conversation: its record, its steps, and what was written about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.records import Change, Finish, Message, Reply, Session, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.reply_parts import ReplyParts


@dataclass
class ReplyLog:
    """One reply with its steps and changes; `finish` is None while it runs or if it was `cut_off`.

    `session` is the one that decoded it, `beside` the one of the chat where that is another:
    the reply is then from other stages of its chain. `notes` are by step, None for the whole
    reply; `blamed` are its tokens under every stage of a chain, once they were read. `parts`
    are what it consists of so far.
    """

    reply: Reply
    session: Session | None = None
    beside: Session | None = None
    steps: list[Step] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    finish: Finish | None = None
    cut_off: bool = False
    name: str = ""
    notes: dict[int | None, str] = field(default_factory=dict)
    blamed: Blamed | None = None
    parts: ReplyParts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.parts = ReplyParts(self.reply.thinks)
        for step in self.steps:
            self.parts.add(step)
        if self.finish is not None:
            self._end_parts(self.finish)

    @property
    def id(self) -> str:
        """The reply's id."""
        return self.reply.id

    @property
    def main(self) -> Session | None:
        """The session of the chat that it was asked for in."""
        return self.beside or self.session

    @property
    def is_over(self) -> bool:
        """Whether no more steps will come."""
        return self.finish is not None or self.cut_off

    @property
    def forced(self) -> tuple[int, ...]:
        """The forced ids it begins with, as far as they were decoded."""
        return tuple(step.token for step in self.steps[: self.reply.forced])

    @property
    def sampled(self) -> list[Step]:
        """The steps after those that were given."""
        return self.steps[self.reply.forced :]

    def sampling_at(self, index: int) -> Sampling:
        """The sampling in force at step `index`."""
        changed = (one.sampling for one in reversed(self.changes) if one.index <= index)
        return next(changed, self.reply.sampling)

    @property
    def text(self) -> str:
        """What it says so far, without thinking, special tokens and the stop string that ended it.

        An incomplete character is held back until its bytes have come, and becomes U+FFFD if
        the reply finishes first. The space that separates a first word from the prompt is left
        out, except where the reply continues a text.
        """
        answer = self.parts.answer
        begins = self.parts.parts[:1] and self.parts.parts[0].kind == "answer"
        return answer[self.blank :] if begins else answer

    @property
    def blank(self) -> int:
        """How many spaces at its beginning are not shown: see `text`."""
        return 0 if self.reply.raw else self.parts.blank

    @property
    def thinking(self) -> str:
        """What was thought so far."""
        return self.parts.thinking

    def as_message(self, *, with_ids: bool) -> Message:
        """The reply as a message of the history; with the ids that the models said, if wanted."""
        message = Message(id=self.id, parent=self.reply.parent, role="assistant", text=self.text)
        if not with_ids:
            return message
        kept = self.parts.before_stop
        ids = None if kept is None else tuple(step.token for step in self.steps[:kept])
        return replace(message, token_ids=ids, thinks=self.reply.thinks)

    def add(self, record: Step | Change | Finish) -> None:
        """Add the next record."""
        if isinstance(record, Step):
            self.steps.append(record)
            self.parts.add(record)
        elif isinstance(record, Change):
            self.changes.append(record)
        else:
            self.finish = record
            self._end_parts(record)

    def _end_parts(self, finish: Finish) -> None:
        self.parts.finish()
        if finish.stop is not None:
            self.parts.stop(finish.stop)

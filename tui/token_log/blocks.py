"""What a token log shows: messages and replies, each with its wrapped text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from logit_amp_chat.core.export.describe import (
    WITH_SPECIAL,
    own_variables,
    sampling_change,
    thinking,
)
from logit_amp_chat.core.lanes import lane_colour, reply_heading
from logit_amp_chat.core.number_format import sampling_line, signed, which
from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts import reply_endings
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.transcripts.reply_parts import Part, Thought
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.token_log.wrapping import WrappedText

ROLES = {"user": "you", "system": "system prompt", "assistant": "assistant"}
NO_PROMPT = "no prompt: a text follows, without a chat template"
NOTE = "✎"
UNFOLD_KEY = keymap.action("thinking").display
CELLS_PER_TOKEN = 5  # estimates the height of a reply before it is wrapped


# What the user can do about an ending; where there is no token, none can be gone on from.
REMEDIES = {
    "length": "u goes on, F7 raises the limit",
    "context": "start a new chat or shorten this one",
    "cancelled": "u goes on",
    "cut off": "u goes on",
}
WITHOUT_TOKENS = {"context": REMEDIES["context"]}


class MessageBlock:
    """A message of the user, or the system prompt; `version` is (number, total).

    `nothing` stands in the place of an empty text.
    """

    def __init__(
        self, message: Message, version: tuple[int, int] = (1, 1), nothing: str = NO_PROMPT
    ) -> None:
        self.id = message.id
        self.nothing = nothing
        self.message = message
        self.version = version
        self.wrapped = WrappedText(80)

    @property
    def size(self) -> int:
        """Estimated number of cells."""
        return len(self.message.text)

    def lay_out(self, width: int) -> None:
        """Wrap everything to `width` cells."""
        self.wrapped = wrapped = WrappedText(width)
        role = self.message.role
        wrapped.add(ROLES[role], "system" if role == "system" else "you")
        special = WITH_SPECIAL if self.message.special else ""
        for detail in filter(None, (which(*self.version), special)):
            wrapped.add(f"  {detail}", "finish")
        wrapped.new_line()
        if self.message.text:
            wrapped.add(visible(self.message.text), "said" if role == "user" else "told")
        else:
            wrapped.add(self.nothing, "finish")


class ReplyBlock:
    """One lane's reply, token by token.

    The first `given` steps were not sampled: they are muted, and take no part in
    what is compared. The next, up to `common`, agree with the reference lane and
    are muted too; `fork` is the first step that differs, once there is one.
    `siblings` is (number, total). `rendered` shows the reply as Markdown once it
    is finished. Thinking that is over is one line where it is `folded`, unless this
    reply is `opened`.
    """

    def __init__(
        self,
        log: ReplyLog,
        *,
        heading: bool = True,
        siblings: tuple[int, int] = (1, 1),
    ) -> None:
        self.id = log.id
        self.colour = lane_colour(log.reply.alpha)
        self.log = log
        self.heading = heading
        self.siblings = siblings
        self.rendered = False
        self.folded = True
        self.opened = False
        self.unfold_key = UNFOLD_KEY
        self.given = self.common = log.reply.forced
        self.fork: int | None = None
        self.awaits_branch = bool(self.given)
        """Whether it is still to be found where the given tokens leave those of older siblings."""
        self._begin(80)

    @property
    def size(self) -> int:
        """Estimated number of cells."""
        return len(self.log.steps) * CELLS_PER_TOKEN

    def mark_branch(self, older: Sequence[ReplyLog]) -> bool:
        """Find the given token that no older sibling has in this place, once all have come.

        Returns whether that changed anything.
        """
        if not self.awaits_branch or len(self.log.steps) < self.given:
            return False
        self.awaits_branch = False
        shared = max((_shared(self.log.steps, log.steps) for log in older), default=self.given)
        self.fork = shared if shared < self.given else None
        return self.fork is not None

    def _begin(self, width: int) -> None:
        self.wrapped = WrappedText(width)
        parts = self.log.parts
        self._revision = parts.revision
        self._thoughts = parts.thoughts()
        self._folds = self._thoughts if self.folded and not self.opened else []
        self._alpha, self._sampling = self.log.reply.alpha, self.log.reply.sampling
        self._shown = 0
        self._folded: Thought | None = None  # what the last line stands for
        self._ended = False

    def lay_out(self, width: int) -> None:
        """Wrap everything to `width` cells."""
        self._begin(width)
        if self.heading:
            self._head()
        if self.rendered and self.log.is_over:
            self._render()
        else:
            self.grow()

    def _render(self) -> None:
        """Show the text as Markdown, without tokens for the cursor."""
        from logit_amp_chat.tui.token_log.markdown import (
            add_markdown,
        )  # slow to import, seldom needed

        for thought in self._thoughts:
            self.wrapped.add(thinking(thought.tokens), "fold")
            self.wrapped.new_line()
        add_markdown(self.wrapped, self.log.text)
        self._shown = len(self.log.steps)
        self._end()

    def _head(self) -> None:
        reply, log = self.log.reply, self.log
        self.wrapped.add(reply_heading(reply), f"head-{self.colour}")
        details = [
            f"seed {reply.seed}",
            which(*self.siblings),
            "edited" if reply.edits else "",
            f"{reply.forced} given" if reply.forced else "",
            f"“{visible(log.name, newlines=False)}”" if log.name else "",
            sampling_line(reply.sampling),
            f"template {own}" if (own := own_variables(log)) else "",
        ]
        for detail in filter(None, details):
            self.wrapped.add(f"  {detail}", "finish")
        self.wrapped.new_line()

    @property
    def is_stale(self) -> bool:
        """Whether what is shown already has become something else: a mark, or thinking to fold."""
        return self.log.parts.revision != self._revision

    def is_thought(self, index: int) -> bool:
        """Whether a step is part of thinking that is over, or of what separates that."""
        parts = self.log.parts
        start = parts.starts[index]
        end = parts.starts[index + 1] if index + 1 < len(parts.starts) else parts.length
        return any(one.start <= start and end <= self._end_of(one) for one in self._thoughts)

    def grow(self) -> None:
        """Add the steps, and the finish, that are new since the last call."""
        steps = self.log.steps
        for index in range(self._shown, len(steps)):
            self._add(index, steps[index])
        self._shown = len(steps)
        if self.log.is_over and not self._ended:
            self._end()

    def _end(self) -> None:
        """Add why it ended, and the notes."""
        self._ended = True
        remedies = REMEDIES if self.log.steps else WITHOUT_TOKENS
        if sentence := reply_endings.sentence(self.log, remedies):
            self.wrapped.new_line()
            self.wrapped.add(sentence, "finish")
        self._notes()

    def _add(self, index: int, step: Step) -> None:
        if step.alpha != self._alpha:
            self._alpha = step.alpha
            self.wrapped.add_whole(f"‹α {signed(step.alpha)}›", "mark")
        for change in self.log.changes:
            if change.index == step.index:
                said = sampling_change(self._sampling, change.sampling)
                self.wrapped.add_whole(f"‹{said}›", "mark")
                self._sampling = change.sampling
        blank = 0 if index else self.log.blank
        for part, text in self.log.parts.spans(index):
            self._add_span(index, part, text[blank:])
            blank = 0
        if index in self.log.notes:
            self.wrapped.add(NOTE, "note")

    def _add_span(self, index: int, part: Part, text: str) -> None:
        """Add what a step has of one part, unless it is folded."""
        for thought in self._folds:
            if thought.start <= part.start < thought.end:
                if self._folded is not thought:
                    self._folded = thought
                    self.wrapped.new_line()
                    self.wrapped.add(
                        f"{thinking(thought.tokens)} · {self.unfold_key} unfolds", "fold"
                    )
                return
        if self._folded is not None:
            if not (text := text.lstrip("\n")):
                return
            self._folded = None
            self.wrapped.new_line()
        if part.kind in ("special", "mark"):
            self.wrapped.add(visible(text, newlines=part.kind == "mark"), "special", index)
        else:
            kind = "thought" if part.kind == "thinking" else "text"
            self.wrapped.add(visible(text), kind, index)

    def _end_of(self, thought: Thought) -> int:
        """Where thinking ends, with the newlines behind it."""
        text = self.log.parts.text(thought.end, min(thought.end + 8, self.log.parts.length))
        return thought.end + len(text) - len(text.lstrip("\n"))

    def _notes(self) -> None:
        """Add the notes below the reply, the one on the whole reply first."""
        notes = self.log.notes
        for index in sorted(notes, key=lambda index: -1 if index is None else index):
            where = "" if index is None else f"token {index + 1}: "
            self.wrapped.new_line()
            self.wrapped.add(f"{NOTE} {where}{visible(notes[index])}", "note")


class WelcomeBlock:
    """The welcome text of an empty chat."""

    id = "welcome"
    size = 0

    def __init__(self, paragraphs: Sequence[tuple[str, str]]) -> None:
        self.paragraphs = paragraphs
        self.wrapped = WrappedText(80)

    def lay_out(self, width: int) -> None:
        """Wrap everything to `width` cells."""
        self.wrapped = WrappedText(min(width, 72))
        for index, (text, kind) in enumerate(self.paragraphs):
            if index:
                self.wrapped.add("\n\n")
            self.wrapped.add(visible(text), kind)


class Block(Protocol):
    """Something that a token log shows."""

    id: str
    wrapped: WrappedText

    @property
    def size(self) -> int:
        """Estimated number of cells."""

    def lay_out(self, width: int) -> None:
        """Wrap everything to `width` cells."""


def compare(block: ReplyBlock, reference: Sequence[Step]) -> bool:
    """Update how far a reply's sampled steps agree with `reference`, from new steps only.

    Returns whether that changed.
    """
    if block.fork is not None:
        return False
    steps = block.log.steps
    before = block.common
    for index in range(before, min(len(steps), len(reference))):
        if steps[index].token != reference[index].token:
            block.fork = index
            return True
        block.common = index + 1
    return block.common != before


def _shared(a: Sequence[Step], b: Sequence[Step]) -> int:
    """How many tokens two replies begin with in common."""
    pairs = enumerate(zip(a, b, strict=False))
    end = min(len(a), len(b))
    return next((place for place, (one, other) in pairs if one.token != other.token), end)

"""What a token log shows: messages and replies, each laid out as a flow of spans."""

from __future__ import annotations

from collections.abc import Sequence

from logit_amp_chat.core.lanes import FIXED_ALPHA, LETTERS, tint
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.records import FinishReason, Message, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts import endings
from logit_amp_chat.core.transcripts.conversation import ReplyLog
from logit_amp_chat.core.transcripts.reply_text import ReplyText
from logit_amp_chat.tui.token_log.wrapping import Flow

ROLES = {"user": "you", "system": "system prompt", "assistant": "assistant"}
NOTE = "✎"
CELLS_PER_TOKEN = 5  # about; for the height of a reply that was not wrapped yet


# What the reader of a screen can do about an ending.
REMEDIES: dict[FinishReason, str] = {
    "length": "raise it under sampling (F7)",
    "context": "start a new chat or shorten this one",
}


class MessageBlock:
    """Something the user or the system prompt said."""

    def __init__(self, message: Message) -> None:
        self.id = message.id
        self.message = message
        self.flow = Flow(80)

    @property
    def size(self) -> int:
        """About how many cells it takes."""
        return len(self.message.text)

    def lay_out(self, width: int) -> None:
        """Wrap everything again to `width` cells."""
        self.flow = flow = Flow(width)
        role = self.message.role
        flow.add(ROLES[role], "system" if role == "system" else "you")
        flow.new_line()
        flow.add(visible(self.message.text), "said" if role == "user" else "told")


class ReplyBlock:
    """One lane's reply, token by token.

    The first `common` steps are the same in the lane it is compared with, and
    shown muted; `fork` is the step at which the two part, once they do.
    `siblings` says which of how many it is. `rendered` shows it as Markdown
    once it is finished.
    """

    def __init__(
        self,
        log: ReplyLog,
        label: str,
        *,
        heading: bool = True,
        siblings: tuple[int, int] = (1, 1),
    ) -> None:
        self.id = log.id
        self.lane = tint(log.reply.lane)
        self.log = log
        self.label = label
        self.heading = heading
        self.siblings = siblings
        self.rendered = False
        self.common = 0
        self.fork: int | None = None
        self._begin(80)

    @property
    def size(self) -> int:
        """About how many cells it takes."""
        return len(self.log.steps) * CELLS_PER_TOKEN

    def _begin(self, width: int) -> None:
        self.flow = Flow(width)
        self._text = ReplyText()
        self._alpha = self.log.reply.alpha
        self._shown = 0
        self._ended = False

    def lay_out(self, width: int) -> None:
        """Wrap everything again to `width` cells."""
        self._begin(width)
        if self.heading:
            self._head()
        if self.rendered and self._over:
            self._render()
        else:
            self.grow()

    @property
    def _over(self) -> bool:
        return self.log.finish is not None or self.log.cut_off

    def _render(self) -> None:
        """What was said as Markdown; there is no token to stand on."""
        from logit_amp_chat.tui.token_log.markdown import add_markdown  # heavy, and seldom needed

        add_markdown(self.flow, self.log.text)
        self._shown = len(self.log.steps)
        self._end()

    def _head(self) -> None:
        reply, log = self.log.reply, self.log
        letter = LETTERS.get(reply.lane, LETTERS["amplified"])
        self.flow.add(f"{letter} {self.label}", f"head-{self.lane}")
        if reply.lane not in FIXED_ALPHA:
            self.flow.add(f" {signed(reply.alpha)}", f"head-{self.lane}")
        place, total = self.siblings
        details = [
            f"seed {reply.seed}",
            f"‹ {place}/{total} ›" if total > 1 else "",
            f"branched at token {reply.forced}" if reply.forced else "",
            f"“{visible(log.name, newlines=False)}”" if log.name else "",
        ]
        for detail in filter(None, details):
            self.flow.add(f"  {detail}", "finish")
        self.flow.new_line()

    def grow(self) -> None:
        """Take in the steps, and the finish, that came since the last time."""
        steps = self.log.steps
        for place in range(self._shown, len(steps)):
            self._add(place, steps[place])
        self._shown = len(steps)
        if self._over and not self._ended:
            self.flow.add(visible(self._text.finish()), "text", self._shown - 1)
            self._end()

    def _end(self) -> None:
        """Why it ended, and what was noted."""
        self._ended = True
        if sentence := endings.sentence(self.log, REMEDIES):
            self.flow.new_line()
            self.flow.add(sentence, "finish")
        self._notes()

    def _add(self, place: int, step: Step) -> None:
        if step.alpha != self._alpha:
            self._alpha = step.alpha
            self._mark(step)
        if step.special:
            self.flow.add(visible(step.text, newlines=False), "special", place)
        else:
            self.flow.add(visible(self._text.add(step)), "text", place)
        if place in self.log.notes:
            self.flow.add(NOTE, "note")

    def _mark(self, step: Step) -> None:
        line = self.flow.lines[-1]
        if line and not line[-1].text.isspace():
            self.flow.add(" ", "mark")
        self.flow.add_whole(f"‹α {signed(step.alpha)}›", "mark")
        if not step.text[:1].isspace():
            self.flow.add(" ", "mark")

    def _notes(self) -> None:
        """What was noted, below the reply: about the whole of it first."""
        notes = self.log.notes
        for place in sorted(notes, key=lambda place: -1 if place is None else place):
            where = "" if place is None else f"token {place + 1}: "
            self.flow.new_line()
            self.flow.add(f"{NOTE} {where}{visible(notes[place])}", "note")


class WelcomeBlock:
    """What an empty chat says."""

    id = "welcome"
    size = 0

    def __init__(self, paragraphs: Sequence[tuple[str, str]]) -> None:
        self.paragraphs = paragraphs
        self.flow = Flow(80)

    def lay_out(self, width: int) -> None:
        """Wrap everything again to `width` cells."""
        self.flow = Flow(min(width, 72))
        for index, (text, kind) in enumerate(self.paragraphs):
            if index:
                self.flow.add("\n\n")
            self.flow.add(visible(text), kind)


Block = MessageBlock | ReplyBlock | WelcomeBlock


def compare(block: ReplyBlock, reference: Sequence[Step]) -> bool:
    """Find how far a reply agrees with another; looks at new steps only.

    Returns whether anything changed.
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

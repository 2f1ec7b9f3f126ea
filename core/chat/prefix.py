"""What a reply is given to begin with, and what that is where the user edits another reply."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from logit_amp_chat.core.records import Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.text import editable
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.transcripts.reply_text import ReplyText


class Prefix(NamedTuple):
    """Token ids, a text after them, and the id of the reply that was edited into this."""

    ids: tuple[int, ...] = ()
    text: str = ""
    edits: str | None = None


NO_PREFIX = Prefix()


def longer(sampling: Sampling, given: int) -> Sampling:
    """The sampling, with the limit counted after so many tokens that are given."""
    longest = given + sampling.max_new_tokens
    return sampling.model_copy(update={"max_new_tokens": longest})


class EditedReply:
    """The text of a reply as the user edits it."""

    def __init__(self, log: ReplyLog) -> None:
        self.log = log
        stream = ReplyText()
        self._stop = _stop(log)
        said = [_before(self._stop, log, n, stream.add(step)) for n, step in enumerate(log.steps)]
        self._pieces = [editable(piece) for piece in said]
        self._blank = " " * log.blank
        """What separates the first word from the prompt; it is not shown."""
        if log.blank:
            self._pieces[0] = self._pieces[0][log.blank :]
        rest = "" if self._stop is not None else editable(stream.finish())
        self.text = "".join(self._pieces) + rest
        """The text to edit: without special tokens, a stop string, and what no editor can hold."""

    def prefix(self, text: str) -> Prefix:
        """What `text` gives to begin with: the tokens that it leaves as they are, and its rest.

        Special tokens between them stay too. A word that was changed is typed anew from its
        beginning, so that it has the tokens of a word.
        """
        kept, rest = self._unchanged(text)
        while kept and _one_word(self._pieces[kept - 1], rest):
            kept -= 1
            rest = self._pieces[kept] + rest
        ids = tuple(step.token for step in self.log.steps[:kept])
        if rest and not any(self._pieces[:kept]):
            rest = self._blank + rest
        return Prefix(ids, rest, self.log.id)

    def lost(self, text: str) -> int:
        """How many special tokens after the unchanged part a reply that goes on will lack."""
        steps = self.log.steps[len(self.prefix(text).ids) : self._end]
        return sum(step.special for step in steps)

    def offset(self, step: int) -> int:
        """The character of the text where a step begins."""
        return sum(map(len, self._pieces[:step]))

    @property
    def _end(self) -> int:
        """The number of steps before the end of the turn or a stop string: none goes on from it."""
        log = self.log
        ends = set(log.session.end_of_turn if log.session else ())
        if log.finish is not None and log.finish.reason == "stop":
            ends |= _specials(log.steps[-1:])  # an older file does not name them
        last = len(log.steps)
        if self._stop is not None:  # its first character may be in the middle of a token
            last = bisect_right(log.parts.starts, self._stop) - 1
        return next((n for n, step in enumerate(log.steps[:last]) if step.token in ends), last)

    def _unchanged(self, text: str) -> tuple[int, str]:
        """The number of steps whose text `text` begins with, and what follows."""
        kept = place = 0
        for piece in self._pieces[: self._end]:
            if not text.startswith(piece, place):
                break
            kept, place = kept + 1, place + len(piece)
        while kept and not (self._pieces[kept - 1] or self.log.steps[kept - 1].special):
            kept -= 1  # a character that is not complete there
        return kept, text[place:]


def _stop(log: ReplyLog) -> int | None:
    """The character of the reply's whole text where the stop string begins that ended it."""
    parts = (part for part in log.parts.parts if (part.kind, part.name) == ("special", "stop"))
    return next((part.start for part in parts), None)


def _before(stop: int | None, log: ReplyLog, step: int, piece: str) -> str:
    """What a step's text has before the character `stop`."""
    return piece if stop is None else piece[: max(0, stop - log.parts.starts[step])]


def _specials(steps: Sequence[Step]) -> set[int]:
    return {step.token for step in steps if step.special}


def _one_word(before: str, after: str) -> bool:
    return before[-1:].isalnum() and after[:1].isalnum()

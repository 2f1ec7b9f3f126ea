"""Behaviours that are a phrase: a reply says it, or begins with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import LONGEST_NAME, Kind, Replies, Verdict
from logit_amp_chat.core.experiments.sweep.patterns import (
    MOST_SPANS,
    complete_text,
    decided_after,
)
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply

NAME_WORDS = 6
_WORD = re.compile(r"\w+")


class PhraseText(NamedTuple):
    """What a phrase is: its text, and whether replies begin with it."""

    text: str
    begins: bool

    def place(self, text: str, start: int = 0) -> int:
        """Where it stands first in a text from `start` on; −1 if nowhere."""
        if self.begins:
            return start if text.startswith(self.text, start) else -1
        return text.find(self.text, start)


class Phrase:
    """A behaviour: the sampled part of a reply has this text, or with `begins` begins with it.

    `tokens` are the ids that a reply said it with. A reply that has it keeps it, so that it is
    decided by the token that completes it.
    """

    kind: Kind = "phrase"
    numeric = False

    def __init__(
        self, name: str, text: str, tokens: tuple[int, ...] = (), *, begins: bool = False
    ) -> None:
        """Raises UsageError for an empty text."""
        if not text:
            raise UsageError(f"The phrase {name} is empty.", "Give it a text.")
        self.name = name
        self.tokens = tokens
        self._what = PhraseText(text, begins)

    @classmethod
    def defined(cls, name: str, definition: Mapping[str, Any]) -> Phrase:
        """The phrase of a definition that was saved. Raises UsageError for anything else."""
        match definition:
            case {
                "kind": "phrase",
                "text": str() as text,
                "tokens": list() | tuple() as tokens,
                "begins": bool() as begins,
            } if all(isinstance(token, int) for token in tokens):
                return cls(name, text, tuple(tokens), begins=begins)
        raise UsageError(f"The saved definition of {name} is no phrase.", "Look for phrases again.")

    @property
    def text(self) -> str:
        """What a reply says."""
        return self._what.text

    @property
    def begins(self) -> bool:
        """Whether it has to begin with it."""
        return self._what.begins

    @property
    def definition(self) -> dict[str, Any]:
        """Its text, its tokens, and whether replies begin with it."""
        return {
            "kind": self.kind,
            "text": self.text,
            "tokens": list(self.tokens),
            "begins": self.begins,
        }

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """Whether each reply says it, and since when."""
        for prompt, reply in replies:
            spans = self.spans(prompt, reply)
            if not spans:
                yield Verdict(0.0)
                continue
            has = partial(self._is_in, start=sampled_from(prompt, reply))
            yield Verdict(1.0, decided_after(prompt, reply, has), spans)

    def close(self) -> None:
        """There is nothing to free."""

    def spans(self, prompt: SweepPrompt, reply: SweepReply) -> tuple[tuple[int, int], ...]:
        """The characters [start, end) of the reply's text where it stands, at most MOST_SPANS."""
        text, at = complete_text(reply), sampled_from(prompt, reply)
        found: list[tuple[int, int]] = []
        while (at := self._what.place(text, at)) >= 0 and len(found) < MOST_SPANS:
            found.append((at, at + len(self.text)))
            at += len(self.text)
            if self.begins:
                break
        return tuple(found)

    def _is_in(self, text: str, start: int) -> bool:
        return self._what.place(text, start) >= 0


def sampled_from(prompt: SweepPrompt, reply: SweepReply) -> int:
    """The character of a reply's text from which on it was sampled."""
    return len(prompt.begin) if reply.text.startswith(prompt.begin) else 0


def name_of(text: str, taken: Collection[str]) -> str:
    """A name from the first words of a phrase that is not `taken`, in capitals or not."""
    words = _WORD.findall(text.casefold())[:NAME_WORDS]
    name = "-".join(words)[: LONGEST_NAME - 4].strip("-") or "phrase"
    names = {one.casefold() for one in taken}
    number, found = 1, name
    while found.casefold() in names:
        number += 1
        found = f"{name}-{number}"
    return found

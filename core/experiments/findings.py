"""What is found in a file: texts to read with their places, and what has to be said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from logit_amp_chat.core.reading import Content
from logit_amp_chat.core.text import visible

NAMED = 5
"""How many things a notice names; of the others it has the number."""


class Located(NamedTuple):
    """A text to read, and where in its file it stands; `line` counts from 1."""

    place: str
    line: int
    content: Content


@dataclass
class Findings:
    """What one pass over a file has met so far.

    `shapes` counts chats and texts by the name of their shape. Of those that have nothing to
    score, `unscored` is the number and `examples` are the first places.
    """

    shapes: Counter[str] = field(default_factory=Counter)
    unscored: int = 0
    examples: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def leave_out(self, place: str) -> None:
        """Count a text that has nothing to score."""
        self.unscored += 1
        if len(self.examples) < NAMED:
            self.examples.append(place)


def shown(name: object) -> str:
    """A file's name or another foreign word, safe to show on one line."""
    return visible(str(name), newlines=False)


def some(names: Iterable[str], number: int = 0) -> str:
    """The first few of `number` names (0: all there are): `a, b, c, d, e and 12 more`."""
    every = list(names)
    rest = max(number, len(every)) - NAMED
    more = f" and {rest:,} more" if rest > 0 else ""
    return ", ".join(map(shown, every[:NAMED])) + more

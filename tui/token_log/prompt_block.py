"""One side's prompt, as a token log shows it."""

from __future__ import annotations

from collections.abc import Sequence

from logit_amp_chat.core.prompts import PromptToken, PromptTokens
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.token_log.wrapping import WrappedText

NEWLINE = "⏎"
Differing = tuple[int, int]
"""The tokens [start, end) in which a prompt differs from the other side's."""


class PromptBlock:
    """Tokens with visible newlines; special ones, and those that differ, look like it."""

    id = "prompt"

    def __init__(
        self,
        tokens: Sequence[PromptToken],
        given: Sequence[PromptToken],
        side: str = "after",
        differing: Differing = (0, 0),
    ) -> None:
        """Show `tokens`, and after them those that the reply is `given`."""
        self.tokens = tokens
        self.given = given
        self.side = side
        self.differing = differing
        self.wrapped = WrappedText(80)
        self.difference = 0
        """The line of the first token that differs."""

    @property
    def size(self) -> int:
        """Estimated number of cells."""
        return sum(len(token.text) for token in (*self.tokens, *self.given))

    def lay_out(self, width: int) -> None:
        """Wrap everything to `width` cells."""
        self.wrapped = WrappedText(width)
        start, end = self.differing
        for place, token in enumerate(self.tokens):
            differs = start <= place < end
            self._add(token, f"fork-{self.side}" if differs and not token.special else "text")
            if place == start:
                self.difference = len(self.wrapped.lines) - 1
        for token in self.given:
            self._add(token, "said")

    def _add(self, token: PromptToken, kind: str) -> None:
        kind = "special" if token.special else kind
        first, *others = visible(token.text).split("\n")
        self.wrapped.add(first, kind)
        for line in others:
            self.wrapped.add_whole(NEWLINE, "finish")
            self.wrapped.add(f"\n{line}", kind)


def difference(prompt: PromptTokens) -> tuple[Differing, Differing]:
    """What differs between before and after: all but what they begin and end with in common."""
    before, after = ([token.id for token in side] for side in (prompt.before, prompt.after))
    start = _common(before, after)
    rest = min(len(before), len(after)) - start
    end = min(rest, _common(before[::-1], after[::-1]))
    return (start, len(before) - end), (start, len(after) - end)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two prompts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))

"""Text wrapped by cells, grown piece by piece: the transcript's line model.

Adding a piece touches the last line only, so that the cost of a token does
not depend on how much text is already there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

_FRAGMENT = re.compile(r"\n|[^\S\n]+|\S+")
TAB = "    "


class Span(NamedTuple):
    """A run of text in one line that looks the same and belongs to one step."""

    text: str
    width: int
    kind: str
    step: int | None


class Flow:
    """Lines of spans, each at most `width` cells.

    The last column is kept for the space or the line break that ends a line,
    so that every token, even a lone space, has a cell to stand on.
    """

    def __init__(self, width: int) -> None:
        self.width = max(2, width)
        self.lines: list[list[Span]] = [[]]
        self._used = 0
        self._break = 0  # where the current line may be broken: spans from here on move

    def add(self, text: str, kind: str = "text", step: int | None = None) -> None:
        """Append `text`; it may break at white space, and inside words that are too long."""
        for fragment in _FRAGMENT.findall(text.replace("\t", TAB)):
            if fragment == "\n":
                self._end_line(kind, step)
            elif fragment.isspace():
                self._add_space(fragment, kind, step)
            else:
                self._add_word(fragment, kind, step)

    def add_whole(self, text: str, kind: str, step: int | None = None) -> None:
        """Append `text` that stays together although it may hold spaces."""
        self._break = len(self.lines[-1])
        self._add_word(text, kind, step)
        self._break = len(self.lines[-1])

    def new_line(self) -> None:
        """Start a new line unless the last one is still empty."""
        if self.lines[-1]:
            self._open_line([])

    def _put(self, text: str, width: int, kind: str, step: int | None) -> None:
        self.lines[-1].append(Span(text, width, kind, step))
        self._used += width

    def _open_line(self, spans: list[Span]) -> None:
        self.lines.append(spans)
        self._used = sum(span.width for span in spans)
        self._break = 0

    def _end_line(self, kind: str, step: int | None) -> None:
        if step is not None and self._used < self.width:
            self._put(" ", 1, "newline", step)
        self._open_line([])

    def _add_space(self, spaces: str, kind: str, step: int | None) -> None:
        while spaces:
            room = self.width - self._used
            if room <= 0:
                self._open_line([])
                continue
            self._put(spaces[:room], len(spaces[:room]), kind, step)
            spaces = spaces[room:]
        self._break = len(self.lines[-1])

    def _add_word(self, word: str, kind: str, step: int | None) -> None:
        width = cell_len(word)
        limit = self.width - 1
        if self._used + width > limit and self._used:
            line = self.lines[-1]
            moved = line[self._break :]
            if self._break:
                del line[self._break :]
                self._open_line(moved)
        if self._used + width <= limit:
            self._put(word, width, kind, step)
            return
        self._cut_word(word, limit, kind, step)

    def _cut_word(self, word: str, limit: int, kind: str, step: int | None) -> None:
        for char in _clusters(word):
            width = cell_len(char)
            if self._used + width > limit and self._used:
                self._open_line([])
            line = self.lines[-1]
            if line and line[-1].step == step and line[-1].kind == kind:
                last = line.pop()
                line.append(Span(last.text + char, last.width + width, kind, step))
                self._used += width
            else:
                self._put(char, width, kind, step)


def _clusters(word: str) -> list[str]:
    """Characters with the zero-width ones joined to what they sit on."""
    clusters: list[str] = []
    for char in word:
        if clusters and cell_len(char) == 0:
            clusters[-1] += char
        else:
            clusters.append(char)
    return clusters


def clip(text: str, width: int) -> str:
    """`text` cut to `width` cells, with an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    return next(iter(chop_cells(text, width - 1)), "") + "…"

"""Text wrapped by terminal cells, grown piece by piece.

Adding a piece touches the last line only, so a token costs the same however
much text is already there.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from typing import NamedTuple

from rich.cells import cell_len, chop_cells, split_graphemes

_FRAGMENT = re.compile(r"\n|[^\S\n]+|\S+")
TAB = "    "

# Kinds of spans in a token log. Messages, replies and notes:
SAID = ("said", "told", "text", "thought", "special", "newline", "note", "match")
# What the log says about them; a search skips these:
LABELS = (
    *("you", "system", "head-before", "head-after", "head-amplified", "mark", "finish"),
    *("hit-head", "picked", "fold"),
)
# Prefix of the kinds of rendered Markdown; the attributes to draw it with follow.
RENDERED = "md:"


class Span(NamedTuple):
    """A run of text in one line, of one kind and one step."""

    text: str
    width: int
    kind: str
    step: int | None


class WrappedText:
    """Lines of spans, each at most `width` cells.

    The last column is reserved for the space or newline that ends a line, so
    that every token, even a lone space, has a cell for the cursor.
    """

    def __init__(self, width: int) -> None:
        self.width = max(2, width)
        self.lines: list[list[Span]] = [[]]
        self.last_step = -1
        self._above = array("i", [-1])  # by line: the last step above it
        self._used = 0
        self._break = 0  # spans from here on move to the next line when it breaks

    def add(self, text: str, kind: str = "text", step: int | None = None) -> None:
        """Append `text`; lines break at white space, and inside words that are too long."""
        if text[:1] == " " and text[1:].isalnum():  # most tokens: a space and a word
            self._add_space(" ", kind, step)
            self._add_word(text[1:], kind, step)
            return
        for fragment in _FRAGMENT.findall(text.replace("\t", TAB)):
            if fragment == "\n":
                self._end_line(kind, step)
            elif fragment.isspace():
                self._add_space(fragment, kind, step)
            else:
                self._add_word(fragment, kind, step)

    def add_whole(self, text: str, kind: str, step: int | None = None) -> None:
        """Append `text` and keep it on one line, spaces included."""
        self._break = len(self.lines[-1])
        self._add_word(text, kind, step)
        self._break = len(self.lines[-1])

    def line_of(self, step: int) -> int:
        """The line where a step begins, or where the nearest step before it ends."""
        return max(0, bisect_left(self._above, step) - 1)

    def new_line(self) -> None:
        """Start a new line unless the last one is empty."""
        if self.lines[-1]:
            self._open_line([])

    def _put(self, text: str, width: int, kind: str, step: int | None) -> None:
        self.lines[-1].append(Span(text, width, kind, step))
        self._used += width
        if step is not None:
            self.last_step = step

    def _open_line(self, spans: list[Span]) -> None:
        first = next((span.step for span in spans if span.step is not None), None)
        self._above.append(self.last_step if first is None else first - 1)
        self.lines.append(spans)
        self._used = sum(span.width for span in spans)
        self._break = 0

    def _end_line(self, kind: str, step: int | None) -> None:
        if self._used < self.width:
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
        if self._used and not word.isascii():
            word = self._join(word)
        width = cell_len(word)
        limit = self.width - 1
        if self._used + width > limit and self._used and self._break:
            line = self.lines[-1]
            moved = line[self._break :]
            del line[self._break :]
            self._open_line(moved)
        if self._used + width <= limit:
            self._put(word, width, kind, step)
        else:
            self._cut_word(word, limit, kind, step)

    def _join(self, word: str) -> str:
        """Move leading combining characters to the span they modify; returns the rest."""
        line = self.lines[-1]
        size = 0
        while size < len(word) and not cell_len(word[size]):
            size += 1
        if size and not line[-1].text.isspace():
            last = line.pop()
            text = last.text + word[:size]
            line.append(Span(text, cell_len(text), last.kind, last.step))
            self._used += line[-1].width - last.width
            return word[size:]
        return word

    def _cut_word(self, word: str, limit: int, kind: str, step: int | None) -> None:
        piece, used = "", 0
        for start, end, width in split_graphemes(word)[0]:
            if self._used + used + width > limit and self._used + used:
                if piece:
                    self._put(piece, used, kind, step)
                self._open_line([])
                piece, used = "", 0
            piece += word[start:end]
            used += width
        if piece:
            self._put(piece, used, kind, step)


def clip(text: str, width: int) -> str:
    """`text` cut to `width` cells, with an ellipsis if it was longer."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    return next(iter(chop_cells(text, width - 1)), "") + "…"

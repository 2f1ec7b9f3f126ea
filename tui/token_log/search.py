"""Finding words in what a block shows, across tokens and wrapped lines."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from logit_amp_chat.tui.token_log.blocks import Block
from logit_amp_chat.tui.token_log.wrapping import Span

# Headings, marks and what is said about a reply are not what was said.
SKIPPED = {"you", "system", "head-before", "head-after", "head-amplified", "mark", "finish"}


@dataclass(frozen=True)
class Hit:
    """One find: where it begins, and the token it begins in, if it is a reply's."""

    offset: int
    line: int
    step: int | None


def pattern_of(query: str) -> re.Pattern[str]:
    """The words as they are; capitals count once there is one."""
    flags = re.NOFLAG if any(char.isupper() for char in query) else re.IGNORECASE
    return re.compile(re.escape(query), flags)


class BlockText:
    """What a wrapped block says as one string, and where its characters stand."""

    def __init__(self, block: Block) -> None:
        self.lines = block.flow.lines
        self._starts: list[int] = []  # by line, the offset of its first character
        pieces: list[str] = []
        offset = 0
        for line in self.lines:
            self._starts.append(offset)
            text = "".join([span.text for span in line if span.kind not in SKIPPED])
            pieces.append(text)
            offset += len(text)
        self.text = "".join(pieces)

    def hit(self, offset: int) -> Hit:
        """The line and the token of a character."""
        line = bisect_right(self._starts, offset) - 1
        step = None
        for begin, _, span in self._spans(line):
            if begin <= offset < begin + len(span.text):
                step = span.step
        return Hit(offset, line, step)

    def offset_of(self, line: int, step: int | None = None) -> int:
        """Where a line begins, or a step in it."""
        line = min(line, len(self._starts) - 1)
        if step is not None:
            for begin, _, span in self._spans(line):
                if span.step == step:
                    return begin
        return self._starts[line]

    def columns(self, line: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The characters [start, end) as far as they stand in a line: from, to."""
        for begin, column, span in self._spans(line):
            first, last = max(start, begin), min(end, begin + len(span.text))
            if first < last:
                yield column + first - begin, column + last - begin

    def bounds(self, line: int) -> tuple[int, int]:
        """The offsets between which a line lies."""
        after = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        return self._starts[line], after

    def _spans(self, line: int) -> Iterator[tuple[int, int, Span]]:
        """Offset, column and span of everything a line says."""
        offset, column = self._starts[line], 0
        for span in self.lines[line]:
            if span.kind not in SKIPPED:
                yield offset, column, span
                offset += len(span.text)
            column += len(span.text)


class Finds:
    """Every place in one block where it is said, in order; looked at only where needed."""

    def __init__(self, text: BlockText, pattern: re.Pattern[str]) -> None:
        self.text = text
        self._matches = [match.span() for match in pattern.finditer(text.text)]
        self.offsets = [start for start, _ in self._matches]

    def after(self, offset: int, *, stay: bool) -> int | None:
        """The first place beyond `offset`, or at it when it may stay there."""
        place = (bisect_left if stay else bisect_right)(self.offsets, offset)
        return self.offsets[place] if place < len(self.offsets) else None

    def before(self, offset: int, *, stay: bool) -> int | None:
        """The last place before `offset`, or at it when it may stay there."""
        place = (bisect_right if stay else bisect_left)(self.offsets, offset)
        return self.offsets[place - 1] if place else None

    def ranges(self, line: int) -> list[tuple[int, int, int]]:
        """What is found in a line: the offset it begins at, and its characters from, to."""
        begin, end = self.text.bounds(line)
        place = max(0, bisect_right(self.offsets, begin) - 1)
        found = []
        for start, stop in self._matches[place:]:
            if start >= end:
                break
            found += [(start, *columns) for columns in self.text.columns(line, start, stop)]
        return found

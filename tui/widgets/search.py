"""Finding words in what a log shows, across tokens and wrapped lines."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from tui.widgets.blocks import RENDERED, Block

SEARCHED = {"text", "special", "said", "told", "note", "newline"}


@dataclass(frozen=True)
class Hit:
    """One find: where it begins, and the token it begins in, if it is a reply's."""

    line: int
    start: int
    step: int | None


@dataclass
class Finds:
    """The hits of one block, and by line which characters of it belong to one."""

    hits: list[Hit] = field(default_factory=list)
    ranges: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))


def pattern_of(query: str) -> re.Pattern[str]:
    """The words as they are; capitals count once there is one."""
    flags = re.NOFLAG if any(char.isupper() for char in query) else re.IGNORECASE
    return re.compile(re.escape(query), flags)


def find(block: Block, pattern: re.Pattern[str]) -> Finds:
    """Every place where a wrapped block says it."""
    finds = Finds()
    pieces: list[str] = []
    origins: list[tuple[int, int, int, int | None]] = []  # offset, line, column, step
    offset = 0
    for number, line in enumerate(block.flow.lines):
        column = 0
        for span in line:
            if span.kind in SEARCHED or span.kind.startswith(RENDERED):
                origins.append((offset, number, column, span.step))
                text = "\n" if span.kind == "newline" else span.text
                pieces.append(text)
                offset += len(text)
            column += len(span.text)
    at = 0
    for match in pattern.finditer("".join(pieces)):
        while at + 1 < len(origins) and origins[at + 1][0] <= match.start():
            at += 1
        begin, line_number, column, step = origins[at]
        finds.hits.append(Hit(line_number, column + match.start() - begin, step))
        _mark(finds, origins, at, match.start(), match.end())
    return finds


def _mark(
    finds: Finds, origins: list[tuple[int, int, int, int | None]], at: int, start: int, end: int
) -> None:
    """Note the characters [start, end) of the joined text, line by line."""
    while at < len(origins) and origins[at][0] < end:
        begin, line, column, _ = origins[at]
        stop = origins[at + 1][0] if at + 1 < len(origins) else end
        first, last = max(start, begin), min(end, stop)
        if first < last:
            finds.ranges[line].append((column + first - begin, column + last - begin))
        at += 1

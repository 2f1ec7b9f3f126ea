"""The tree of openings: a row for every token, and below an open one what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core.analysis.openings import (
    DEFAULT_ORDER,
    ORDERS,
    OpeningRow,
    Order,
    ordered,
    rest,
    rows,
)
from logit_amp_chat.core.chat.openings import MessageOpenings, Path
from logit_amp_chat.core.lanes import LANES, LETTERS
from logit_amp_chat.core.number_format import delta, fraction
from logit_amp_chat.tui.token_log.wrapping import clip
from logit_amp_chat.tui.widgets.candidate_table import Line, quoted

NAMES: dict[Order, str] = {"delta": "Δ log p", "kl_share": "KL share", "amplified": "α"}
BURIED = "⇣"
FIGURES = 6 + 6 + 7 + 7  # before, after, amplified with its mark, Δ
PATH = 2 + 3 * 6  # the probability of the path under each
TOKEN = 16  # where the path's columns leave less for the token, they are left out


@dataclass(frozen=True)
class TreeLine:
    """A token after `path`; `row` is None while what follows the path is not measured yet."""

    path: Path
    row: OpeningRow | None

    @property
    def ids(self) -> Path | None:
        """The path with this token; None for what is no single token."""
        token = self.row.token if self.row else None
        return None if token is None else (*self.path, token)


class OpeningTree(Widget):
    """Rows in the order that is chosen, one of them selected; columns that do not fit are left out.

    Probabilities are those of the token after its path, then those of the whole path.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"opening--{lane}" for lane in LANES),
        "opening--muted",
        "opening--buried",
        "opening--selected",
    }

    def __init__(self, openings: MessageOpenings, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.openings = openings
        self.order: Order = DEFAULT_ORDER
        self.lines: list[TreeLine] = []
        self._place = 0
        self._top = 0  # the first line in view

    # --- what is shown ----------------------------------------------------------

    def update(self) -> None:
        """Show what is known now; the selection stays on its token."""
        old = self.selected
        self.lines = list(self._below(()))
        if old is not None:
            same = (n for n, line in enumerate(self.lines) if _same(line, old))
            self._place = next(same, self._place)
        self.select(self._place)

    def sort(self) -> None:
        """Switch to the next order; selects what comes first in the level of the selection."""
        path = self.selected.path if self.selected else ()
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self.update()
        self.select(next((n for n, line in enumerate(self.lines) if line.path == path), 0))

    def _below(self, path: Path) -> Iterator[TreeLine]:
        opening = self.openings.at(path)
        if opening is None:
            yield TreeLine(path, None)
            return
        found = rows(opening)
        for row in [*ordered(found, self.order), rest(opening, found)]:
            line = TreeLine(path, row)
            yield line
            if line.ids in self.openings.opened:
                yield from self._below(line.ids or ())

    # --- the selection ----------------------------------------------------------

    @property
    def selected(self) -> TreeLine | None:
        """The line that is selected."""
        return self.lines[self._place] if self._place < len(self.lines) else None

    def select(self, place: int) -> None:
        """Select a line, the nearest there is."""
        self._place = max(0, min(place, len(self.lines) - 1))
        self._top = max(min(self._top, self._place), self._place - self.page + 1)
        self.refresh()

    def select_by(self, by: int) -> None:
        """Select a line further down, or up."""
        self.select(self._place + by)

    def select_path(self, path: Path) -> None:
        """Select the token that a path ends with."""
        place = next((n for n, line in enumerate(self.lines) if line.ids == path), None)
        if place is not None:
            self.select(place)

    @property
    def page(self) -> int:
        """How many lines fit below the column names."""
        return max(1, self.size.height - 1)

    def on_resize(self) -> None:
        """Keep the selection in view."""
        self.select(self._place)

    # --- lines ------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """The column names, then a line for each token."""
        width = self.size.width
        place = self._top + y - 1
        if y == 0:
            line = self._head(width)
        elif place < len(self.lines):
            line = self._line(self.lines[place], width)
            if place == self._place:
                pick = self._style("selected")
                line = [Segment(part.text, (part.style or Style()) + pick) for part in line]
        else:
            line = []
        return Strip(line).adjust_cell_length(width, self.rich_style)

    def _style(self, name: str) -> Style:
        if name == "plain":
            return self.rich_style
        return self.rich_style + self.get_component_rich_style(f"opening--{name}", partial=True)

    @staticmethod
    def _room(width: int) -> tuple[int, bool]:
        """The cells of the token, and whether the path has columns."""
        free = width - FIGURES
        shows_path = free - PATH >= TOKEN
        return max(4, free - PATH if shows_path else free), shows_path

    def _head(self, width: int) -> Line:
        room, shows_path = self._room(width)
        muted = self._style("muted")
        before, after, amplified = LETTERS.values()
        line = [
            Segment(f"{clip(f' by {NAMES[self.order]} ↓', room):<{room}}", muted),
            Segment(f"{before:>6}", self._style("before")),
            Segment(f"{after:>6}", self._style("after")),
            Segment(f"{amplified:>7}", self._style("amplified")),
            Segment(f"{'Δ A−B':>7}", muted),
        ]
        if shows_path:
            line += [
                Segment(f"{'path ' + before:>8}", self._style("before")),
                Segment(f"{after:>6}", self._style("after")),
                Segment(f"{amplified:>6}", self._style("amplified")),
            ]
        return line

    def _line(self, line: TreeLine, width: int) -> Line:
        room, shows_path = self._room(width)
        row, indent = line.row, "  " * len(line.path)
        if row is None:
            return [Segment(clip(f" {indent}…", room).ljust(width), self._style("muted"))]
        mark = " " if line.ids is None else "▾" if line.ids in self.openings.opened else "▸"
        name = "the rest" if row.token is None else quoted(row.text)
        text = clip(f"{indent}{mark}{name}", room)
        before, after, amplified = map(fraction, row.p)
        parts = [
            Segment(
                text + " " * (room - cell_len(text)),
                self._style("muted" if row.token is None else "plain"),
            ),
            Segment(f" {before}", self._style("before")),
            Segment(f" {after}", self._style("after")),
            Segment(f" {BURIED if row.buried else ' '}", self._style("buried")),
            Segment(amplified, self._style("buried" if row.buried else "amplified")),
            Segment(f" {delta(row.delta)}", self._style("plain")),
        ]
        if shows_path:
            styles = map(self._style, LANES)
            parts.append(Segment("  ", self._style("plain")))
            parts += [
                Segment(f" {fraction(p)}", style) for p, style in zip(row.path, styles, strict=True)
            ]
        return parts


def _same(a: TreeLine, b: TreeLine) -> bool:
    """Whether two lines stand for the same token, or for the rest of the same level."""
    return (a.path, a.ids, a.row is None) == (b.path, b.ids, b.row is None)

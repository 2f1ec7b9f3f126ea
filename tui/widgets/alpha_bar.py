"""The α bar: where between before, after and beyond the next token is taken from."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from core.numbers import signed
from core.records import Sampling
from tui import format
from tui.theme import LETTERS

LOW, HIGH = -2.0, 4.0
TICKS = (-2, -1, 0, 1, 2, 3, 4)


class AlphaBar(Widget):
    """A scale from −2 to 4 with before and after marked and the live value as a knob.

    A value off the scale shows as an arrow at its end. Two lines where there
    is room, one otherwise.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "bar--before",
        "bar--after",
        "bar--amplified",
        "bar--rail",
        "bar--muted",
        "bar--value",
    }

    alpha: reactive[float] = reactive(0.0)
    sampling: reactive[Sampling] = reactive(Sampling())
    labels: reactive[tuple[str, str]] = reactive(("before", "after"))

    def render_line(self, y: int) -> Strip:
        """The rail on the first line, its labels on the second."""
        width = self.size.width
        base = self.rich_style
        right = self._figures(width)
        value = signed(self.alpha).rjust(5)
        room = width - len(right) - len(value) - 8
        if room < 13:
            right = ""
            room = width - len(value) - 8
        rail = max(7, min(room, 97))
        if y == 0:
            warm = self._style("bar--value")
            strip = [Segment(" α ", warm), *self._rail(rail)]
            strip += [Segment(f" {value}  ", warm), Segment(" " * max(0, room - rail), base)]
            strip.append(Segment(right, self._style("bar--muted")))
            return Strip(strip).adjust_cell_length(width, base)
        if y == 1:
            return Strip([Segment("   ", base), *self._labels(rail)]).adjust_cell_length(
                width, base
            )
        return Strip.blank(width, base)

    def _style(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(name, partial=True)

    def _figures(self, width: int) -> str:
        sampling = self.sampling
        tau = f"τ {format.number(sampling.plausibility)}  T {format.number(sampling.temperature)}"
        full = f"{tau}  top-p {format.number(sampling.top_p)}  seed {sampling.seed} "
        return full if width >= 110 else f"{tau} "

    @staticmethod
    def _cell(value: float, rail: int) -> int:
        share = (value - LOW) / (HIGH - LOW)
        return round(max(0.0, min(1.0, share)) * (rail - 1))

    def _rail(self, rail: int) -> list[Segment]:
        """Ticks at whole numbers, B and A where before and after are, the way from after filled."""
        knob, zero = self._cell(self.alpha, rail), self._cell(0, rail)
        side = "bar--amplified" if self.alpha > 0 else "bar--before"
        cells = [("─", "bar--rail")] * rail
        for tick in TICKS:
            cells[self._cell(tick, rail)] = ("┼", "bar--rail")
        for cell in range(min(knob, zero), max(knob, zero) + 1):
            cells[cell] = ("━" if cells[cell][0] == "─" else "┿", side)
        cells[self._cell(-1, rail)] = (LETTERS["before"], "bar--before")
        cells[zero] = (LETTERS["after"], "bar--after")
        cells[knob] = (self._knob(), side if self.alpha else "bar--after")
        return self._runs(cells)

    def _knob(self) -> str:
        if self.alpha > HIGH:
            return "▶"
        return "◀" if self.alpha < LOW else "●"

    def _labels(self, rail: int) -> list[Segment]:
        """Names under −1 and 0, numbers under the rest, as far as they fit."""
        line = [" "] * rail
        names = {-1: self.labels[0], 0: self.labels[1]}
        styles = ["bar--muted"] * rail
        taken = -1
        for tick in TICKS:
            text = names.get(tick, signed(tick))
            at = self._cell(tick, rail)
            start = at if tick < 0 and tick == LOW else at - len(text) // 2
            start = max(0, min(rail - len(text), start))
            if tick == -1 and start + len(text) > self._cell(0, rail) - len(names[0]) // 2 - 1:
                continue
            if start <= taken or start < 0:
                continue
            for offset, char in enumerate(text[: rail - start]):
                line[start + offset] = char
                if tick in names:
                    styles[start + offset] = "bar--before" if tick == -1 else "bar--after"
            taken = start + len(text)
        return self._runs(list(zip(line, styles, strict=True)))

    def _runs(self, cells: list[tuple[str, str]]) -> list[Segment]:
        """Cells that look the same as one segment."""
        return [
            Segment("".join(glyph for glyph, _ in run), self._style(name))
            for name, run in groupby(cells, key=lambda cell: cell[1])
        ]

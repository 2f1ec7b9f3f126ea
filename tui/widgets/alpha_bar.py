"""The α bar: the live α on a scale, the sampling settings, and means of the newest tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core.analysis.reply_stats import WindowMeans
from logit_amp_chat.core.lanes import LETTERS, lane_colour
from logit_amp_chat.core.number_format import nats, number, signed, spark
from logit_amp_chat.core.records import Sampling, Step

LOW, HIGH = -2.0, 4.0
SIDES = ((110, 60), (76, 34), (40, 14))
"""(minimum width, cells on the right for figures), widest first."""
SPARK = 12
TICKS = (-2, -1, 0, 1, 2, 3, 4)


def timeline(steps: Sequence[Step]) -> tuple[float, ...]:
    """α at SPARK equidistant steps; empty if it never changed."""
    if not steps:
        return ()
    last = len(steps) - 1
    found = tuple(steps[round(i * last / (SPARK - 1))].alpha for i in range(SPARK))
    return found if len(set(found)) > 1 else ()


class AlphaBar(Widget):
    """A scale from −2 to 4 with before and after marked and the live value as a knob.

    A value off the scale is an arrow at its end. On the right are the sampling
    settings, and over the newest tokens mean log p under after, entropy and KL,
    with α along the reply. Two lines where there is room.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "bar--before",
        "bar--after",
        "bar--amplified",
        "bar--rail",
        "bar--muted",
        "bar--value",
        "bar--warning",
    }

    alpha: reactive[float] = reactive(0.0)
    sampling: reactive[Sampling] = reactive(Sampling())
    window_means: reactive[WindowMeans | None] = reactive(None, repaint=False)
    timeline: reactive[tuple[float, ...]] = reactive(())
    """α along the reply at equidistant steps; empty if it never changed."""

    def render_line(self, y: int) -> Strip:
        """The rail on the first line, its labels on the second."""
        width = self.size.width
        base = self.rich_style
        value = signed(self.alpha).rjust(5)
        side = next((cells for least, cells in SIDES if width >= least), 0)
        room = width - side - len(value) - 8
        rail = max(7, min(room, 97))
        used = rail + len(value) + 6
        if y == 0:
            warm = self._style("bar--value")
            left = [Segment(" α ", warm), *self._rail(rail), Segment(f" {value}  ", warm)]
            right = self._figures(side) if self.size.height > 1 else self._short_figures(side)
        elif y == 1:
            left = [Segment("   ", base), *self._labels(rail)]
            used, right = 3 + rail, self._window_means(side)
        else:
            return Strip.blank(width, base)
        gap = Segment(" " * max(0, width - side - used), base)
        return Strip([*left, gap, *right]).adjust_cell_length(width, base)

    def watch_window_means(self) -> None:
        """Repaint their line alone, because they change with every token."""
        self.refresh(Region(0, self.size.height - 1, self.size.width, 1))

    def _style(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(name, partial=True)

    def _figures(self, side: int) -> list[Segment]:
        """The sampling settings, and α along the reply if there is room."""
        sampling = self.sampling
        said = f"τ {number(sampling.plausibility)}  T {number(sampling.temperature)}"
        if side >= 40:
            said += f"  top-p {number(sampling.top_p)}  seed {sampling.seed}"
        line = self._spark(side - len(said) - 2) if 14 < side < 40 else ""
        muted = self._style("bar--muted")
        return [Segment(f"{said}  ", muted), Segment(line, muted)]

    def _short_figures(self, side: int) -> list[Segment]:
        """For a bar of one line: a warning if there is one, else the sampling settings."""
        if self.window_means is not None and self.window_means.left_after and side > 14:
            return self._window_means(side)
        return self._figures(side)

    def _window_means(self, side: int) -> list[Segment]:
        """The window means, with a warning where the text is unlikely under after."""
        if self.window_means is None or side <= 14:
            return []
        means = self.window_means
        mark = "!" if means.left_after else " "
        warning = self._style("bar--warning" if means.left_after else "bar--muted")
        muted = self._style("bar--muted")
        rest = f"  H {nats(means.entropy)}  KL {nats(means.kl)}"
        said = f"{mark}log pA {nats(means.logp_after)}"
        line = self._spark(side - len(said) - len(rest) - 2) if side >= 40 else ""
        return [
            Segment(said, warning),
            Segment(f"{rest}  ", muted),
            Segment(line, muted),
        ]

    def _spark(self, width: int) -> str:
        """A sparkline of α along the reply, with the first and last value if they fit."""
        if not self.timeline:
            return ""
        first, last = signed(self.timeline[0]), signed(self.timeline[-1])
        line = spark(self.timeline, min(self.timeline), max(self.timeline))
        whole = f"{first} {line} {last}"
        return whole if len(whole) <= width else line[: max(0, width)]

    @staticmethod
    def _cell(value: float, rail: int) -> int:
        share = (value - LOW) / (HIGH - LOW)
        return round(max(0.0, min(1.0, share)) * (rail - 1))

    def _rail(self, rail: int) -> list[Segment]:
        """Ticks at whole numbers, B and A at −1 and 0, filled from 0 to the knob."""
        knob, zero = self._cell(self.alpha, rail), self._cell(0, rail)
        side = f"bar--{lane_colour(self.alpha)}"
        cells = [("─", "bar--rail")] * rail
        for tick in TICKS:
            cells[self._cell(tick, rail)] = ("┼", "bar--rail")
        for cell in range(min(knob, zero), max(knob, zero) + 1):
            cells[cell] = ("━" if cells[cell][0] == "─" else "┿", side)
        cells[self._cell(-1, rail)] = (LETTERS["before"], "bar--before")
        cells[zero] = (LETTERS["after"], "bar--after")
        cells[knob] = (self._knob(), side)
        return self._runs(cells)

    def _knob(self) -> str:
        if self.alpha > HIGH:
            return "▶"
        return "◀" if self.alpha < LOW else "●"

    def _labels(self, rail: int) -> list[Segment]:
        """Before and after under −1 and 0, numbers under the other ticks, where they fit."""
        names = {0: "after", -1: "before"}
        cells = [(" ", "bar--muted")] * rail
        for tick in (*names, *(tick for tick in TICKS if tick not in names)):
            text = names.get(tick) or signed(tick)
            start = self._cell(tick, rail) - len(text) // 2
            start = max(0, min(rail - len(text), start))
            end = start + len(text)
            if all(glyph == " " for glyph, _ in cells[max(0, start - 1) : end + 1]):
                style = f"bar--{names[tick]}" if tick in names else "bar--muted"
                cells[start:end] = [(glyph, style) for glyph in text]
        return self._runs(cells)

    def _runs(self, cells: list[tuple[str, str]]) -> list[Segment]:
        """Cells as segments, one per style."""
        return [
            Segment("".join(glyph for glyph, _ in run), self._style(name))
            for name, run in groupby(cells, key=lambda cell: cell[1])
        ]

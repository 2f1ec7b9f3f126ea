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
from logit_amp_chat.core.number_format import nats, sampling_line, signed, spark
from logit_amp_chat.core.records import Step
from logit_amp_chat.core.sampling import Sampling

LOW, HIGH = -2.0, 4.0
SIDES = ((110, 60), (76, 34), (50, 24))
"""(minimum width, least number of cells on the right for figures), widest first."""
SEED_FROM = 60  # cells on the right that leave room for the seed
ROOMY = 60  # cells from which on there is space around the value
RAIL, SHORT_RAIL = 16, 7  # cells; the settings are abbreviated for the first, and the last is kept
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
    window: reactive[tuple[str, ...]] = reactive(("last {}",))
    """What the means are over, longest wording first; {} is the number of tokens."""
    timeline: reactive[tuple[float, ...]] = reactive(())
    """α along the reply at equidistant steps; empty if it never changed."""

    def render_line(self, y: int) -> Strip:
        """The rail on the first line, its labels on the second."""
        width = self.size.width
        base = self.rich_style
        value, pad = signed(self.alpha), 1
        if width >= ROOMY:
            value, pad = value.rjust(5), 2
        side = next((cells for least, cells in SIDES if width >= least), 0)
        around = len(value) + 4 + 2 * pad  # on the first line, besides rail and figures
        said = sampling_line(self.sampling, width - around - RAIL - pad, seed=side >= SEED_FROM)
        side = max(side, len(said) + pad)
        rail = min(width - side - around, 97)
        if rail < SHORT_RAIL:
            rail = 0
        if y == 0:
            warm = self._style("bar--value")
            shown = f" {value}" if rail else value
            left = [Segment(" α ", warm), *self._rail(rail), Segment(shown + " " * pad, warm)]
            right = self._figures(said, side)
        elif y == 1:
            left = [Segment("   ", base), *self._labels(rail)]
            right = self._window_means(side)
        else:
            return Strip.blank(width, base)
        used = sum(part.cell_length for part in left)
        gap = Segment(" " * max(0, width - side - used), base)
        return Strip([*left, gap, *right]).adjust_cell_length(width, base)

    def watch_window_means(self) -> None:
        """Repaint their line alone, because they change with every token."""
        self.refresh(Region(0, self.size.height - 1, self.size.width, 1))

    def _style(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(name, partial=True)

    def _figures(self, said: str, side: int) -> list[Segment]:
        """The settings, after a warning on a bar of one line, before α along the reply."""
        muted = self._style("bar--muted")
        room = side - len(said) - 2
        if self.size.height == 1 and self.window_means is not None and self.window_means.left_after:
            mean = f"!log pA {nats(self.window_means.logp_after)} "
            warning = mean if len(mean) <= room else "!"
            return [Segment(warning, self._style("bar--warning")), Segment(said, muted)]
        line = self._spark(room) if side < SEED_FROM else ""
        return [Segment(f"{said}  {line}", muted)]

    def _window_means(self, side: int) -> list[Segment]:
        """The window means, with a warning where the text is unlikely under after."""
        means = self.window_means
        if means is None:
            return []
        muted = self._style("bar--muted")
        warning = self._style("bar--warning") if means.left_after else muted
        wide = side >= SEED_FROM
        windows = [f"{wording.format(means.tokens)}:" for wording in self.window]
        mean = f"{'!' if means.left_after else ' '}log pA {nats(means.logp_after)}"
        rest = (f"  H {nats(means.entropy)}" if wide else "") + f"  KL {nats(means.kl)}"
        window = next((one for one in windows if len(one + mean + rest) <= side), "")
        if len(mean + rest) > side:
            return []
        line = self._spark(side - len(window + mean + rest) - 2) if wide else ""
        return [Segment(window, muted), Segment(mean, warning), Segment(f"{rest}  {line}", muted)]

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
        if not rail:
            return []
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
        if not rail:
            return []
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

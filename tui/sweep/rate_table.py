"""The table of a sweep: a line for each α, with the rate and its interval drawn beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core.experiments.sweep.result import (
    AlphaSummary,
    BehaviourResult,
    Rate,
    SweepResult,
)
from logit_amp_chat.core.experiments.sweep.wording import rate_text, value
from logit_amp_chat.core.lanes import lane_colour
from logit_amp_chat.core.number_format import nats, signed

LEAST_PLOT = 10
"""Cells that a plot needs to say anything."""

INTERVAL = 12
"""Cells of an interval such as 0.443–12.9%."""

Line = list[Segment]


class RateTable(Widget):
    """Replies, hits and rates by α, and the curve: one line an α, its rate from left to right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"rate--{lane}" for lane in ("before", "after", "amplified")),
        "rate--muted",
        "rate--chosen",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._summaries: dict[float, AlphaSummary] = {}
        self._rates: dict[float, Rate] = {}
        self._alphas: Sequence[float] = ()
        self._found: BehaviourResult | None = None
        self._chosen: float | None = None

    def show(
        self, result: SweepResult, found: BehaviourResult | None, chosen: float | None
    ) -> None:
        """Show what is known; `found` is the behaviour that is looked at, `chosen` the α."""
        self._alphas = sorted({*result.settings.alphas, *(one.alpha for one in result.alphas)})
        self._summaries = {one.alpha: one for one in result.alphas}
        self._rates = {one.alpha: one for one in found.rates} if found else {}
        self._found, self._chosen = found, chosen
        self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """A line for the names, and one for each α."""
        return 1 + len(self._alphas)

    def render_line(self, y: int) -> Strip:
        """The names of the columns, then the αs."""
        width = self.size.width
        if y == 0:
            line = self._head(width)
        elif y <= len(self._alphas):
            line = self._line(self._alphas[y - 1], width)
        else:
            line = []
        return Strip(line).adjust_cell_length(width, self.rich_style)

    def _style(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(f"rate--{name}", partial=True)

    # --- columns --------------------------------------------------------------------------

    def _head(self, width: int) -> Line:
        hits, rate = ("sum", "mean") if self._numeric else ("hits", "rate")
        counted = f"{hits:>6}{rate:>8}  {'95%':<{INTERVAL}}" if self._found else ""
        names = f"{'α':>6}{'replies':>8}{counted}{'KL':>5}{'log p':>6}{'length':>7}{'cut':>5}"
        room = self._plot_room(width, len(names))
        top = value(self._top, self._numeric)
        scale = f"  0{top:>{room - 1}}" if room else ""
        return [Segment(names + scale, self._style("muted"))]

    def _line(self, alpha: float, width: int) -> Line:
        summary, lane = self._summaries.get(alpha), lane_colour(alpha)
        mark = "▸" if alpha == self._chosen else " "
        name = Segment(f"{mark}{signed(alpha):>5}", self._style(lane))
        if summary is None:
            return [name, Segment(f"{0:>8}", self._style("muted"))]
        rate = self._rates.get(alpha)
        kl = "–" if summary.kl is None else nats(summary.kl)
        after = "–" if summary.log_p_after is None else nats(summary.log_p_after)
        figures = (
            f"{summary.replies:>8,}{self._counted(rate)}{kl:>5}{after:>6}{summary.length:>7.1f}"
            f"{summary.cut:>5.0%}"
        )
        line = [name, Segment(figures, self.rich_style)]
        room = self._plot_room(width, len(name.text) + len(figures))
        if rate is not None and room:
            line += [Segment("  ", self.rich_style), *self._plot(rate, room, lane)]
        return line

    def _plot_room(self, width: int, used: int) -> int:
        """The cells for the plot; 0 where there are too few, or nothing is counted."""
        room = width - used - 3
        return room if self._found is not None and room >= LEAST_PLOT else 0

    @property
    def _numeric(self) -> bool:
        return self._found is not None and self._found.numeric

    def _counted(self, rate: Rate | None) -> str:
        if rate is None:
            return ""
        _, _, hits, share, limits = rate_text(rate, self._numeric)
        return f"{hits:>6}{share:>8}  {limits:<{INTERVAL}}"

    # --- the curve ------------------------------------------------------------------------

    @property
    def _top(self) -> float:
        """What the right end of the plot stands for: the highest limit, to the next 5 %."""
        highest = max((rate.high for rate in self._rates.values()), default=1.0)
        if self._numeric:
            return highest
        return min(1.0, max(0.05, -(-highest * 20 // 1) / 20))

    def _plot(self, rate: Rate, room: int, lane: str) -> Line:
        """The interval as a line, the rate as a dot on it."""
        if rate.rate is None or self._top <= 0:
            return []
        low, at, high = (
            max(0, min(room - 1, round(value / self._top * (room - 1))))
            for value in (rate.low, rate.rate, rate.high)
        )
        cells = [" "] * low + ["─"] * (high - low + 1)
        cells[low], cells[high], cells[at] = "├", "┤", "●"
        return [Segment("".join(cells), self._style(lane))]

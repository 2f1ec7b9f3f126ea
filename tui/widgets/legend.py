"""The legend: one line for the colour scale, the value under the cursor, and the search."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core import number_format
from logit_amp_chat.core.analysis.token_metrics import TokenMetric
from logit_amp_chat.core.records import Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.token_log.wrapping import clip


def bounds_of(metric: TokenMetric) -> list[tuple[int, float]]:
    """Every level with its bound, from the lowest."""
    rising = list(enumerate(metric.bounds, 1))
    falling = [(-level, -bound) for level, bound in reversed(rising)]
    return [*falling, *rising] if metric.diverging else rising


def reading(metric: TokenMetric, step: Step) -> str:
    """The value of a metric at a step, with its unit."""
    if metric.id == "rank":
        return f"rank A {step.rank.after:,} → α {step.rank.amplified:,}"
    value = metric.value(step)
    number = number_format.delta(value) if metric.diverging else number_format.nats(value)
    return f"{number.strip()} {metric.unit}"


class Legend(Widget):
    """The search or the colour scale on the left, the value under the cursor on the right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"legend--muted", "legend--title", "legend--value"}

    metric: reactive[TokenMetric | None] = reactive(None)
    step: reactive[Step | None] = reactive(None)
    sought: reactive[str] = reactive("")
    found: reactive[tuple[int, int]] = reactive((0, 0))
    said: reactive[str] = reactive("")

    def render_line(self, y: int) -> Strip:
        """The search or the scale; on the right the value under the cursor."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        title, muted = self._style("title"), self._style("muted")
        right = self._right()
        line = [Segment(" ", base)]
        if self.sought:
            here, total = self.found
            count = f"{here}/{total}" if total else "nothing found"
            query = clip(visible(self.sought, newlines=False), max(4, width - len(count) - 16))
            line += [Segment(f"/{query}", title), Segment(f"  {count} · n/N jump", muted)]
        elif self.metric is not None:
            line += self._scale(self.metric, width - cell_len(right) - 2)
        used = sum(part.cell_length for part in line)
        if right and used + cell_len(right) + 2 <= width:
            gap = width - used - cell_len(right) - 1
            line += [Segment(" " * gap, base), Segment(right + " ", self._style("value"))]
        return Strip(line).adjust_cell_length(width, base)

    def _right(self) -> str:
        if self.said or self.metric is None or self.step is None:
            return self.said
        return reading(self.metric, self.step)

    def _scale(self, metric: TokenMetric, room: int) -> list[Segment]:
        """Title, swatches, unit and marks, as far as they fit."""
        line = [Segment(clip(metric.title, room), self._style("title"))]
        room -= cell_len(metric.title)
        swatches = self._swatches(metric, room - 1)
        if swatches:
            line += [Segment(" ", self.rich_style), *swatches]
            room -= 1 + sum(part.cell_length for part in swatches)
        for text in (f" {metric.unit}", f"  {metric.marks}", " · n/N jump"):
            if cell_len(text) <= room:
                line.append(Segment(text, self._style("muted")))
                room -= cell_len(text)
        return line

    def _swatches(self, metric: TokenMetric, room: int) -> list[Segment]:
        """All levels in their colours; if they do not fit, that of the hunk bound and the last."""
        if self.app.no_color:
            return []
        dark = self.app.current_theme.dark
        levels = bounds_of(metric)
        ends = (metric.hunk, metric.bounds[-1])
        for shown in (levels, [pair for pair in levels if abs(pair[1]) in ends]):
            swatches = []
            for level, bound in shown:
                if (colours := metric.colours(level, dark=dark)) is not None:
                    style = self.rich_style + Style(color=colours.text, bgcolor=colours.ground)
                    swatches.append(Segment(f" {number_format.number(bound)} ", style))
            if sum(part.cell_length for part in swatches) <= room:
                return swatches
        return []

    def _style(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(f"legend--{name}", partial=True)

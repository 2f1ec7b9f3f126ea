"""The inspector: what before, after and amplified wanted at one token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from core.numbers import signed
from core.records import Candidate, Step
from core.text import visible
from tui import format
from tui.theme import LANES, LETTERS
from tui.widgets.flow import clip

Line = list[Segment]
STACKED_ROWS = 15
SIDE_BY_SIDE = 74
LEFT = 36
FULL = (0, 1, 2, 3, 4, 5, 6, 7)
COMPACT = (0, 1, 3, 4, 5)  # without the head of the columns, shifts and divergences
COMPACT_BELOW = 10


@dataclass(frozen=True)
class Inspected:
    """A step, and where it stands: token `place` of `total` in `lane`."""

    step: Step
    lane: str
    place: int
    total: int


def quoted(text: str) -> str:
    """A token as it is, between quotes, with its white space visible."""
    return f"“{visible(text, newlines=False).replace(' ', '·')}”"


class Inspector(Widget):
    """Figures in fixed places, so that nothing jumps while text streams."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "inspector--before",
        "inspector--after",
        "inspector--amplified",
        "inspector--muted",
        "inspector--token",
        "inspector--chosen",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.inspected: Inspected | None = None
        self.by_delta = False

    def show(self, inspected: Inspected | None) -> None:
        """Show another step."""
        if inspected != self.inspected:
            self.inspected = inspected
            self.refresh()

    def sort(self) -> None:
        """Sort the candidates the other way."""
        self.by_delta = not self.by_delta
        self.refresh()

    # --- lines ------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Token above candidates, or beside them where the panel is wide and low."""
        full, height = self.size
        width = full - 1  # figures do not touch the edge
        base = self.rich_style
        if self.inspected is None:
            text = " Nothing to inspect yet: tokens appear here as they come." if y == 0 else ""
            return Strip([Segment(clip(text, width), self._style("muted"))]).adjust_cell_length(
                full, base
            )
        if width >= SIDE_BY_SIDE and height < STACKED_ROWS:
            left = Strip(self._token_line(y, LEFT)).adjust_cell_length(LEFT, base)
            rule = Strip([Segment(" │ ", self._style("muted"))])
            right = self._candidate_line(y, width - LEFT - 3)
            return Strip.join([left, rule, Strip(right)]).adjust_cell_length(full, base)
        order = FULL if height >= COMPACT_BELOW else COMPACT
        if y < len(order):
            line = self._token_line(order[y], width)
        else:
            below = y - len(order) - (height >= STACKED_ROWS)
            line = self._candidate_line(below, width) if below >= 0 else []
        return Strip(line).adjust_cell_length(full, base)

    def _style(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(f"inspector--{name}", partial=True)

    def _token_line(self, y: int, width: int) -> Line:
        assert self.inspected is not None
        step = self.inspected.step
        muted, lane = self._style("muted"), self.inspected.lane
        if y == 0:
            place = f" token {self.inspected.place + 1} of {self.inspected.total}"
            right = f"{LETTERS.get(lane, '?')} {signed(step.alpha)} "
            gap = max(1, width - cell_len(place) - cell_len(right))
            return [Segment(place + " " * gap, muted), Segment(right, self._lane_style(lane))]
        if y == 1:
            special = "  special" if step.special else ""
            text = clip(quoted(step.text), width - 2 - len(special))
            return [Segment(" " + text, self._style("token")), Segment(special, muted)]
        if y == 2:
            room = self._bar_width(width)
            return [Segment(f" {'':12}{'p':>5} {'':{room}} {'log p':>6} {'rank':>6}", muted)]
        if y in (3, 4, 5):
            return self._side_line(LANES[y - 3], width)
        if y == 6:
            shift = format.delta(step.logp.after - step.logp.before)
            boost = format.delta(step.logp.amplified - step.logp.after)
            return [Segment(f" Δ A−B {shift}   α−A {boost}  nats", muted)]
        if y == 7:
            kl, boosted = format.nats(step.kl), format.nats(step.kl_amplified)
            return [Segment(f" KL A‖B{kl}  α‖A{boosted}  H{format.nats(step.entropy, 5)}", muted)]
        return []

    def _lane_style(self, lane: str) -> Style:
        return self._style(lane if lane in LANES else "muted")

    @staticmethod
    def _bar_width(width: int) -> int:
        return max(3, width - 33)

    def _side_line(self, lane: str, width: int) -> Line:
        assert self.inspected is not None
        step = self.inspected.step
        log_p: float = getattr(step.logp, lane)
        rank: int = getattr(step.rank, lane)
        style = self._lane_style(lane)
        bar = format.bar(_share(log_p), self._bar_width(width))
        return [
            Segment(f" {LETTERS[lane]} {lane:<10}", style),
            Segment(format.probability(log_p), self.rich_style),
            Segment(f" {bar} ", style),
            Segment(f"{format.nats(log_p)} {rank:>6}", self.rich_style),
        ]

    def _candidate_line(self, y: int, width: int) -> Line:
        """Head, then one candidate a line: token, B, A, α with a bar, Δ."""
        assert self.inspected is not None
        free = max(4, width - 28)
        bar = min(24, free // 3) if free >= 12 else 0
        room = min(28, free - bar)
        if y == 0:
            order = "|Δ|" if self.by_delta else "α"
            return [
                Segment(
                    f" {clip('by ' + order + ' ↓', room + 1):<{room + 1}}", self._style("muted")
                ),
                Segment(f" {'B':>5}", self._style("before")),
                Segment(f" {'A':>5}", self._style("after")),
                Segment(f" {'':{bar}} {'α':>5}", self._style("amplified")),
                Segment(f" {'Δ A−B':>6}", self._style("muted")),
            ]
        candidates = self._sorted()
        if y > len(candidates):
            return []
        candidate = candidates[y - 1]
        chosen = candidate.id == self.inspected.step.token
        text = clip(quoted(candidate.text), room)
        name = self._style("chosen") if chosen else self.rich_style
        return [
            Segment("▸" if chosen else " ", self._style("amplified")),
            Segment(text + " " * (room + 1 - cell_len(text)), name),
            Segment(f" {format.probability(candidate.before)}", self._style("before")),
            Segment(f" {format.probability(candidate.after)}", self._style("after")),
            Segment(
                f" {format.bar(_share(candidate.amplified), bar)} "
                f"{format.probability(candidate.amplified)}",
                self._style("amplified"),
            ),
            Segment(f" {format.delta(candidate.after - candidate.before)}", self.rich_style),
        ]

    def _sorted(self) -> list[Candidate]:
        assert self.inspected is not None

        def weight(candidate: Candidate) -> tuple[float, int]:
            shift = abs(candidate.after - candidate.before)
            value = shift if self.by_delta else candidate.amplified
            return (-value if value == value else float("inf"), candidate.id)

        return sorted(self.inspected.step.top, key=weight)


def _share(log_prob: float) -> float:
    return math.exp(min(0.0, log_prob))

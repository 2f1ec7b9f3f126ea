"""The comparison: before, after and amplified beside each other, from one context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from core.conversation import ReplyLog
from core.numbers import signed
from core.text import visible
from tui.theme import FIXED_ALPHA, LANES, LETTERS
from tui.widgets.blocks import ReplyBlock, compare
from tui.widgets.flow import clip
from tui.widgets.token_log import TokenLog

COLUMNS_FROM = 72
STACK_FROM = 12


class LaneHead(Widget):
    """One line: letter, name, α, and whether this lane's reply is the history."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"head--muted"}

    alpha: reactive[float] = reactive(0.0)
    kept: reactive[bool] = reactive(False)
    note: reactive[str] = reactive("")
    label: reactive[str] = reactive("")

    def __init__(self, lane: str) -> None:
        super().__init__(classes=f"head-{lane}")
        self.lane = lane
        self.set_reactive(LaneHead.label, lane)
        self.set_reactive(LaneHead.alpha, FIXED_ALPHA.get(lane, 0.0))

    def render_line(self, y: int) -> Strip:
        """The whole head."""
        width = self.size.width
        base = self.rich_style
        if y:
            return Strip.blank(width, base)
        muted = base + self.get_component_rich_style("head--muted", partial=True)
        left = clip(f" {LETTERS[self.lane]} {visible(self.label, newlines=False)}", width - 8)
        left += f" {signed(self.alpha)}"
        right = self.note or ("✓ history" if self.kept else "")
        if cell_len(left) + cell_len(right) + 3 > width:
            right = "✓" if self.kept and not self.note else ""
        gap = max(1, width - cell_len(left) - cell_len(right) - 1)
        return Strip(
            [Segment(left, base), Segment(" " * gap, base), Segment(right + " ", muted)]
        ).adjust_cell_length(width, base)


class Lane(Container):
    """A head above a token log."""

    def __init__(self, lane: str) -> None:
        super().__init__(id=f"lane-{lane}", classes=f"lane lane-{lane}")
        self.lane = lane
        self.head = LaneHead(lane)
        self.log_view = TokenLog(id=f"log-{lane}", classes="lane-log")

    def compose(self) -> ComposeResult:
        """Head, then log."""
        yield self.head
        yield self.log_view

    @property
    def block(self) -> ReplyBlock | None:
        """The reply that is shown."""
        blocks = self.log_view.blocks
        return blocks[0] if blocks and isinstance(blocks[0], ReplyBlock) else None


class Lanes(Container):
    """Three columns; stacked when narrow; one at a time when there is no room for that."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lanes = {name: Lane(name) for name in LANES}
        self.selected = "amplified"

    def compose(self) -> ComposeResult:
        """Before, after, amplified."""
        yield from self.lanes.values()

    def set_alpha(self, alpha: float) -> None:
        """The live α, for an amplified lane that is still to come."""
        if self.lanes["amplified"].block is None:
            self.lanes["amplified"].head.alpha = alpha

    def set_labels(self, before: str, after: str) -> None:
        """What the sides are called."""
        for name, label in zip(LANES, (before, after, "amplified"), strict=True):
            self.lanes[name].head.label = label

    def show(self, replies: Mapping[str, ReplyLog]) -> None:
        """Show one turn's replies, by lane; lanes that are not there yet stay empty."""
        for name, lane in self.lanes.items():
            log = replies.get(name)
            if log is None:
                lane.log_view.show([])
            elif lane.block is None or lane.block.id != log.id:
                block = ReplyBlock(log, name, heading=False)
                lane.log_view.show([block])
                lane.head.alpha = log.steps[-1].alpha if log.steps else log.reply.alpha
        self.grow()

    def grow(self) -> None:
        """Replies have new steps: find where they part, and wrap the tails."""
        after = self.lanes["after"].block
        others = [lane for name, lane in self.lanes.items() if name != "after" and lane.block]
        for lane in others:
            block = lane.block
            if after is None or block is None:
                continue
            if compare(block, after.log.steps):
                lane.log_view.refresh()
            same = block.log.finish and after.log.finish and block.fork is None
            lane.head.note = "same as after" if same else ""
        if after is not None:
            self._mark_after(after, [lane.block for lane in others if lane.block])
        for lane in self.lanes.values():
            if (block := lane.block) is not None:
                lane.head.alpha = (
                    block.log.steps[-1].alpha if block.log.steps else (block.log.reply.alpha)
                )
                lane.log_view.grow(block.id)

    def _mark_after(self, after: ReplyBlock, others: list[ReplyBlock]) -> None:
        """In the lane that others are compared with, the first of their forks counts."""
        common = min((block.common for block in others), default=0)
        fork = min((block.fork for block in others if block.fork is not None), default=None)
        if (common, fork) != (after.common, after.fork):
            after.common, after.fork = common, fork
            self.lanes["after"].log_view.refresh()

    def set_kept(self, reply: str | None) -> None:
        """Mark the lane whose reply is the history."""
        for lane in self.lanes.values():
            lane.head.kept = lane.block is not None and lane.block.id == reply

    def select(self, name: str) -> None:
        """Make a lane the one that keys and the inspector mean."""
        self.selected = name
        for lane in self.lanes.values():
            lane.set_class(lane.lane == name, "-selected")

    def step_to(self, by: int) -> TokenLog:
        """Select the next lane to the left or right."""
        place = (LANES.index(self.selected) + by) % len(LANES)
        self.select(LANES[place])
        return self.current.log_view

    @property
    def current(self) -> Lane:
        """The selected lane."""
        return self.lanes[self.selected]

    def on_mount(self) -> None:
        """Amplified is what is looked at first."""
        self.select(self.selected)

    def on_resize(self) -> None:
        """Columns, rows, or one at a time."""
        columns = self.size.width >= COLUMNS_FROM
        self.set_class(columns, "-columns")
        self.set_class(not columns and self.size.height >= STACK_FROM, "-rows")
        self.set_class(not columns and self.size.height < STACK_FROM, "-single")

    @on(TokenLog.CursorMoved)
    def _cursor_moved(self, event: TokenLog.CursorMoved) -> None:
        for name, lane in self.lanes.items():
            if lane.log_view is event.log and event.cursor is not None:
                self.select(name)

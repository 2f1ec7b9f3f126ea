"""One lane of a comparison: a head with its summary, above its token log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core import number_format
from logit_amp_chat.core.analysis.reply_stats import ReplyMeans
from logit_amp_chat.core.lanes import FIXED_ALPHA, LANES, lane_colour, lane_heading
from logit_amp_chat.core.number_format import nats
from logit_amp_chat.core.transcripts.conversation import ReplyLog
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.token_log.wrapping import clip


class LaneHead(Widget):
    """The lane's title and whether this reply is the history; below that the summary."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"head--muted"}

    alpha: reactive[float] = reactive(0.0)
    kept: reactive[bool] = reactive(False)
    note: reactive[str] = reactive("")
    summary: reactive[tuple[str, ...]] = reactive(())
    more: reactive[tuple[int, int]] = reactive((0, 0))
    """The number of hidden lanes to the left and to the right."""

    def __init__(self, lane: str) -> None:
        alpha = FIXED_ALPHA.get(lane, 0.0)
        super().__init__(classes=f"head-{lane_colour(alpha)}")
        self.set_reactive(LaneHead.alpha, alpha)

    def watch_alpha(self) -> None:
        """Take the colour that goes with α."""
        for colour in LANES:
            self.set_class(colour == lane_colour(self.alpha), f"head-{colour}")

    def render_line(self, y: int) -> Strip:
        """The title, then as much of the summary as fits."""
        width = self.size.width
        base = self.rich_style
        muted = base + self.get_component_rich_style("head--muted", partial=True)
        muted += Style(bold=False)
        if y:
            text = _packed(self.summary, width - 2, self.size.height - 1)
            line = text[y - 1] if y <= len(text) else ""
            return Strip([Segment(f" {line}", muted)]).adjust_cell_length(width, base)
        return self._first_line(width, base, muted)

    def _first_line(self, width: int, base: Style, muted: Style) -> Strip:
        before, after = self.more
        left = f"‹{before} " if before else " "
        left += clip(lane_heading(self.alpha), width - 4)
        right = self.note or ("✓ history" if self.kept else "")
        tail = f" {after}›" if after else " "
        if cell_len(left) + cell_len(right) + cell_len(tail) + 2 > width:
            right = "✓" if self.kept and not self.note else ""
        gap = max(1, width - cell_len(left) - cell_len(right) - cell_len(tail))
        return Strip(
            [Segment(left, base), Segment(" " * gap, base), Segment(right + tail, muted)]
        ).adjust_cell_length(width, base)


def _packed(parts: Iterable[str], width: int, lines: int) -> list[str]:
    """Parts joined into at most `lines` lines; parts that do not fit are left out."""
    packed: list[str] = []
    for part in parts:
        joined = f"{packed[-1]}  {part}" if packed else part
        if packed and cell_len(joined) <= width:
            packed[-1] = joined
        elif len(packed) < lines and cell_len(part) <= width:
            packed.append(part)
    return packed


class Lane(Container):
    """A lane head above a token log."""

    def __init__(self, lane: str) -> None:
        super().__init__(classes="lane")
        self.lane = lane
        self.head = LaneHead(lane)
        self.log_view = TokenLog(classes="lane-log")
        self.means = ReplyMeans()

    def compose(self) -> ComposeResult:
        """The head, then the log."""
        yield self.head
        yield self.log_view

    @dataclass
    class Scrolled(Message):
        """The lane was scrolled."""

        lane: Lane

    def on_mount(self) -> None:
        """Watch the log for scrolling of any kind."""
        self.watch(self.log_view, "scroll_y", self._scrolled, init=False)

    def _scrolled(self) -> None:
        self.post_message(self.Scrolled(self))

    @property
    def block(self) -> ReplyBlock | None:
        """The block of the reply."""
        blocks = self.log_view.blocks
        return blocks[0] if blocks and isinstance(blocks[0], ReplyBlock) else None

    def show(self, log: ReplyLog | None) -> None:
        """Show a reply, or nothing."""
        if log is None:
            self.log_view.show([])
        elif self.block is None or self.block.id != log.id:
            self.means = ReplyMeans()
            self.log_view.show([ReplyBlock(log, heading=False)])

    def grow(self) -> None:
        """Show the reply's new steps, and add them to the means."""
        block = self.block
        if block is None:
            return
        steps = block.log.steps
        self.head.alpha = steps[-1].alpha if steps else block.log.reply.alpha
        self.log_view.grow(block.id)
        self.means.take(steps)

    def sum_up(self) -> None:
        """Update the summary in the head."""
        self.head.summary = self._summary()

    def _summary(self) -> tuple[str, ...]:
        block = self.block
        if block is None or not block.log.steps:
            return ()
        return (
            number_format.count(self.means.tokens, "token"),
            "no fork" if block.fork is None else f"fork at {block.fork + 1}",
            f"KL {nats(self.means.kl)}",
            f"log pA {nats(self.means.logp_after)}",
        )

    # --- scrolling lanes together -----------------------------------------------

    def step_at(self, row: int) -> int | None:
        """The first step in a line or below it."""
        if self.block is not None:
            for spans in self.block.wrapped.lines[max(0, row) :]:
                for span in spans:
                    if span.step is not None:
                        return span.step
        return None

    def row_of(self, step: int) -> int:
        """The line where a step begins, or the last one."""
        lines = self.block.wrapped.lines if self.block is not None else []
        for row, spans in enumerate(lines):
            if any(span.step is not None and span.step >= step for span in spans):
                return row
        return max(0, len(lines) - 1)

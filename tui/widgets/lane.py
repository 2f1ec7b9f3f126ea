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
from logit_amp_chat.core.lanes import FIXED_ALPHA, LANES, lane_colour, reply_heading
from logit_amp_chat.core.number_format import nats, which
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.blocks import UNFOLD_KEY, ReplyBlock
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.token_log.wrapping import clip

Part = tuple[str, ...]
"""A piece of a summary: the same in several wordings, longest first."""


@dataclass(frozen=True)
class Standing:
    """How a reply stands among others: which of its lane's siblings, and whose history it has."""

    siblings: tuple[int, int] = (1, 1)
    history: str = ""


LIVE = "●"
"""On the lane whose α the user moves, as on the scale."""

KEPT: Part = ("continues the chat", "✓ continues", "✓")


class LaneHead(Widget):
    """The lane's title and whether the chat continues this reply; below that the summary."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"head--muted"}

    alpha: reactive[float] = reactive(0.0)
    stages: reactive[tuple[str, str] | None] = reactive(None)
    kept: reactive[bool] = reactive(False)
    summary: reactive[tuple[Part, ...]] = reactive(())
    more: reactive[tuple[int, int]] = reactive((0, 0))
    """The number of hidden lanes to the left and to the right."""

    def __init__(self, lane: str) -> None:
        alpha = FIXED_ALPHA.get(lane, 0.0)
        super().__init__(classes=f"head-{lane_colour(alpha)}")
        self.set_reactive(LaneHead.alpha, alpha)
        self.live = lane == "amplified"

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
        left += clip(reply_heading(self), width - 4)
        left += f" {LIVE}" if self.live else ""
        tail = f" {after}›" if after else " "
        room = width - cell_len(left) - cell_len(tail) - 2
        right = _fitting(KEPT, room) if self.kept else ""
        gap = max(1, width - cell_len(left) - cell_len(right) - cell_len(tail))
        return Strip(
            [Segment(left, base), Segment(" " * gap, base), Segment(right + tail, muted)]
        ).adjust_cell_length(width, base)


def _fitting(part: Part, width: int) -> str:
    """The longest wording that fits; "" if none does."""
    return next((text for text in part if cell_len(text) <= width), "")


def _packed(parts: Iterable[Part], width: int, lines: int) -> list[str]:
    """Parts joined into at most `lines` lines, in the longest wordings; what does not fit goes."""
    packed: list[str] = []
    for part in parts:
        beside = _fitting(part, width - cell_len(packed[-1]) - 2) if packed else ""
        if beside and (beside == part[0] or len(packed) == lines):
            packed[-1] += f"  {beside}"
        elif len(packed) < lines and (text := _fitting(part, width)):
            packed.append(text)
    return packed


class Lane(Container):
    """A lane head above a token log."""

    def __init__(self, lane: str, unfold_key: str = UNFOLD_KEY) -> None:
        super().__init__(classes="lane")
        self.lane = lane
        self.head = LaneHead(lane)
        self.log_view = TokenLog(classes="lane-log")
        self.log_view.presentation.unfold_key = unfold_key
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
            self.means = ReplyMeans(log.reply.forced)
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

    def sum_up(self, agreement: Part, standing: Standing) -> None:
        """Update the summary in the head.

        `agreement` says how the reply compares with the reference lane's.
        """
        block = self.block
        self.head.summary = () if block is None else self._summary(block, agreement, standing)

    def _summary(self, block: ReplyBlock, agreement: Part, standing: Standing) -> tuple[Part, ...]:
        log, means = block.log, self.means
        given = min(block.given, len(log.steps))
        counted = number_format.count(means.tokens, "token")
        parts: tuple[Part, ...] = (
            (which(*standing.siblings),),
            (standing.history,),
            (f"“{visible(log.name, newlines=False)}”" if log.name else "",),
            ("edited" if log.reply.edits else "",),
            (f"{given} given" if given else "",),
            (counted if means.tokens else "",),
            agreement,
            (f"KL {nats(means.kl)}" if means.tokens else "",),
            (f"log pA {nats(means.logp_after)}" if means.tokens else "",),
        )
        return tuple(part for part in parts if any(part))

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

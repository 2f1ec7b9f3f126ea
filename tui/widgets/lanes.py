"""The comparison: replies to one message at several αs, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Container

from logit_amp_chat.core.lanes import LANES, LaneAt, reply_title
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.blocks import UNFOLD_KEY, ReplyBlock, compare
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.lane import Lane, Part, Standing

COLUMNS_FROM = 72
COLUMN = 24  # cells a column needs
ROW = 5  # lines a row needs


class Lanes(Container):
    """Lanes in columns, or in rows when narrow; as many at a time as fit.

    Unless `together` is off, all lanes scroll to the token that the selected
    one shows, or that its cursor is on.
    """

    def __init__(self, *, id: str | None = None, unfold_key: str = UNFOLD_KEY) -> None:
        super().__init__(id=id)
        self.lanes = {name: Lane(name, unfold_key) for name in LANES}
        self._unfold_key = unfold_key
        self.selected = "amplified"
        self.together = True
        self._first = 0  # the first lane in view
        self._compared_with: str | None = None  # the reference lane's reply
        self._standings: dict[str, Standing] = {}

    def compose(self) -> ComposeResult:
        """From the smallest α to the largest; the live lane last."""
        yield from self.lanes.values()

    # --- the set of lanes -------------------------------------------------------

    def set_lanes(self, names: Sequence[str]) -> None:
        """Set the lanes and their order; the last one is the live lane."""
        if list(names) == list(self.lanes):
            return
        for name, lane in self.lanes.items():
            if name not in names:
                lane.remove()
        live = self.lanes[names[-1]]
        lanes = {name: self.lanes.get(name) or Lane(name, self._unfold_key) for name in names}
        for name in names[:-1]:
            if name in self.lanes:
                self.move_child(lanes[name], before=live)
            else:
                self.mount(lanes[name], before=live)
        self.lanes = lanes
        self.select(self.selected if self.selected in lanes else names[-1])

    def set_alpha(self, alpha: float) -> None:
        """Set the α of the live lane while it is empty."""
        if self.lanes["amplified"].block is None:
            self.lanes["amplified"].head.alpha = alpha

    # --- their replies ----------------------------------------------------------

    def show(
        self,
        replies: Mapping[str, ReplyLog],
        places: Mapping[str, LaneAt],
        standings: Mapping[str, Standing],
    ) -> None:
        """Show one turn's replies, by lane; lanes without a reply stay empty."""
        self.set_lanes(list(places))
        self._standings = dict(standings)
        for name, lane in self.lanes.items():
            lane.show(replies.get(name))
            if lane.block is None:
                lane.head.alpha = places[name].alpha
            lane.head.stages = places[name].stages
        self.grow()
        self.sum_up()

    @property
    def reference(self) -> Lane:
        """The reference lane that the others are compared with."""
        return self.lanes.get("after") or next(iter(self.lanes.values()))

    def grow(self) -> None:
        """Show the replies' new steps, and find where they diverge."""
        reference = self.reference.block
        others = [lane for lane in self.lanes.values() if lane is not self.reference]
        self._compare_with(reference.id if reference else None)
        if reference is not None:
            for lane in others:
                if lane.block is not None and compare(lane.block, reference.log.steps):
                    lane.log_view.refresh()
            self._mark(reference, [lane.block for lane in others if lane.block])
        for lane in self.lanes.values():
            lane.grow()

    def _compare_with(self, reply: str | None) -> None:
        """Forget every fork where the reply that lanes are compared with is another one."""
        if reply == self._compared_with:
            return
        self._compared_with = reply
        for lane in self.lanes.values():
            if lane.block is not None:
                lane.block.common, lane.block.fork = lane.block.given, None
                lane.log_view.refresh()

    def sum_up(self) -> None:
        """Update the figures in every head."""
        for name, lane in self.lanes.items():
            lane.sum_up(self._agreement(lane), self._standings.get(name, Standing()))

    def _agreement(self, lane: Lane) -> Part:
        """How a reply's sampled tokens compare with those of the reference lane."""
        block, reference = lane.block, self.reference.block
        if block is None or reference is None or block is reference:
            return ()
        name = reply_title(self.reference.head)
        if block.fork is not None:
            token = block.fork + 1
            return (
                f"parts from {name} at token {token}",
                f"parts from {name} at {token}",
                f"≠ {name} at {token}",
            )
        same = block.common - block.given
        if same <= 0:
            return ()
        lengths = {len(block.log.steps), len(reference.log.steps)}
        if block.log.is_over and reference.log.is_over:
            if lengths == {block.common}:
                return (f"same as {name}",)
            return (f"as {name} for {count(same, 'token')}",)
        return (f"as {name} so far",)

    def _mark(self, reference: ReplyBlock, others: Sequence[ReplyBlock]) -> None:
        """Mark the first of the others' forks in the reference lane."""
        common = min((block.common for block in others), default=0)
        fork = min((block.fork for block in others if block.fork is not None), default=None)
        if (common, fork) != (reference.common, reference.fork):
            reference.common, reference.fork = common, fork
            self.reference.log_view.refresh()

    def set_kept(self, reply: str | None) -> None:
        """Mark the lane whose reply is the history."""
        for lane in self.lanes.values():
            lane.head.kept = lane.block is not None and lane.block.id == reply

    # --- the selected lane ------------------------------------------------------

    @property
    def current(self) -> Lane:
        """The selected lane."""
        return self.lanes[self.selected]

    def select(self, name: str) -> None:
        """Select the lane that keys and the inspector act on, and bring it into view."""
        self.selected = name if name in self.lanes else "amplified"
        for lane in self.lanes.values():
            lane.set_class(lane.lane == self.selected, "-selected")
        self._arrange()

    def step_to(self, by: int) -> TokenLog:
        """Select the next lane to the left or right."""
        names = list(self.lanes)
        self.select(names[(names.index(self.selected) + by) % len(names)])
        return self.current.log_view

    def on_mount(self) -> None:
        """Select the amplified lane."""
        self.select(self.selected)

    # --- layout -----------------------------------------------------------------

    def on_resize(self) -> None:
        """Choose columns, rows, or one lane at a time."""
        columns = self.size.width >= COLUMNS_FROM
        rows = not columns and self.size.height >= 2 * ROW
        self.set_class(columns, "-columns")
        self.set_class(rows, "-rows")
        self.set_class(not columns and not rows, "-single")
        self._arrange()

    def _arrange(self) -> None:
        """Show as many lanes as fit, the selected one among them."""
        width, height = self.size
        if not width:
            return
        columns = self.has_class("-columns")
        room = max(1, width // COLUMN if columns else height // ROW)
        room = min(len(self.lanes), room)
        at = list(self.lanes).index(self.selected)
        self._first = min(max(self._first, at - room + 1), at, len(self.lanes) - room)
        shares = (width // room, height) if columns else (width, height // room)
        lines = _head_lines(*shares)
        last = self._first + room - 1
        for place, lane in enumerate(self.lanes.values()):
            lane.display = self._first <= place <= last
            lane.head.styles.height = lines
            lane.head.more = (
                self._first if place == self._first else 0,
                len(self.lanes) - 1 - last if place == last else 0,
            )

    # --- scrolling together -----------------------------------------------------

    @on(Lane.Scrolled)
    def _follow(self, event: Lane.Scrolled) -> None:
        """Scroll every lane to the token at the top of the selected one."""
        current = self.current
        if not self.together or event.lane is not current or current.block is None:
            return
        step = current.step_at(round(current.log_view.scroll_offset.y))
        for lane in self._followers():
            if current.log_view.at_end or step is None:
                lane.log_view.scroll_end(animate=False, immediate=True)
            else:
                lane.log_view.scroll_to(y=lane.row_of(step), animate=False, immediate=True)

    def _followers(self) -> list[Lane]:
        return [lane for lane in self.lanes.values() if lane is not self.current and lane.block]

    @on(TokenLog.CursorMoved)
    def _cursor_moved(self, event: TokenLog.CursorMoved) -> None:
        for name, lane in self.lanes.items():
            if lane.log_view is event.log and event.log.has_focus:  # it was clicked
                self.select(name)
        if self.together and event.log is self.current.log_view:
            self._take_along(event.log.cursor)  # not the event's: the cursor may have moved again

    def _take_along(self, cursor: Cursor | None) -> None:
        """Put every lane's cursor on the token with the same index."""
        for lane in self._followers():
            assert lane.block is not None
            steps = len(lane.block.log.steps)
            own = Cursor(lane.block.id, min(cursor.step, steps - 1)) if cursor and steps else None
            lane.log_view.place_cursor(own)


def _head_lines(width: int, height: int) -> int:
    """Lines for a head: the summary gets its lines where enough is left for the text."""
    if height < 7:
        return 1
    return 2 if width >= 50 else 4 if height >= 14 else 3 if height >= 10 else 2

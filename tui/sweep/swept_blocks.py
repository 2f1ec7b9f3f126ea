"""What the list of a sweep's replies shows: a line for each α, and the replies below it."""

from __future__ import annotations

from logit_amp_chat.core.chat.swept_replies import Group, Swept
from logit_amp_chat.core.lanes import lane_colour, lane_heading
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.token_log.wrapping import WrappedText

HIT, PICKED = "●", "▸"
MARKS = {None: "  ", True: "✓ ", False: "✗ "}


class GroupBlock:
    """The heading of the replies at one α."""

    size = 0

    def __init__(self, group: Group, behaviour: str) -> None:
        """`behaviour` is the name of what hits show; "" if nothing is counted."""
        self.id = f"α {group.alpha!r}"
        self.group = group
        self.wrapped = WrappedText(80)
        self._behaviour = behaviour

    def lay_out(self, width: int) -> None:
        """Wrap everything to `width` cells."""
        group = self.group
        self.wrapped = WrappedText(width)
        self.wrapped.add(lane_heading(group.alpha), f"head-{lane_colour(group.alpha)}")
        said = count(group.total, "reply")
        if self._behaviour:
            said = f"{group.hits:,} of {said} with {self._behaviour}"
        self.wrapped.add(f"  {visible(said, newlines=False)}", "finish")


class SweptBlock:
    """One reply, whole, with its matches marked."""

    def __init__(self, swept: Swept, behaviour: int | None, mark: bool | None) -> None:
        """Underline what the behaviour of this number matched; `mark` is what a person said."""
        self.id = swept.reply.id
        self.swept = swept
        self.behaviour = behaviour
        self.mark = mark
        self.picked = False
        """Whether the keys act on it."""
        self.wrapped = WrappedText(80)

    @property
    def size(self) -> int:
        """Estimated number of cells."""
        return len(self.swept.reply.text)

    def lay_out(self, width: int) -> None:
        """Wrap everything to `width` cells."""
        reply = self.swept.reply
        self.wrapped = wrapped = WrappedText(width)
        hit = self.swept.has(self.behaviour)
        kind = "picked" if self.picked else "hit-head" if hit else "finish"
        wrapped.add(f"{PICKED if self.picked else ' '}{HIT if hit else ' '}{reply.n + 1:>3} ", kind)
        wrapped.add(MARKS[self.mark], "finish")
        end = 0
        for start, stop in self.swept.spans(self.behaviour):
            if stop > max(start, end):
                wrapped.add(visible(reply.text[end:start]), "text")
                wrapped.add(visible(reply.text[max(start, end) : stop]), "match")
                end = stop
        wrapped.add(visible(reply.text[end:]), "text")
        if reply.is_cut:
            wrapped.add(" … cut off", "finish")

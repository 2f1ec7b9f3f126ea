"""The replies of a sweep in one scrolling list, one of them picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from logit_amp_chat.core.chat.swept_replies import Group, Swept
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.sweep.swept_blocks import GroupBlock, SweptBlock
from logit_amp_chat.tui.token_log.blocks import Block
from logit_amp_chat.tui.token_log.widget import TokenLog


class ReplyList(TokenLog, inherit_bindings=False):
    """Groups of replies; new ones come in without moving the picked one."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("sweep")]

    @dataclass
    class Picked(Message):
        """Another reply was picked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._picked: SweptBlock | None = None
        self.wanted = ""
        """The id of the reply to be picked first, if it is there."""

    @property
    def picked(self) -> Swept | None:
        """The reply that the keys act on."""
        return self._picked.swept if self._picked else None

    def show_groups(
        self,
        groups: Sequence[Group],
        behaviour: int | None,
        name: str,
        marks: Mapping[str, bool],
    ) -> None:
        """Show these replies; `behaviour` is what is looked at, and `name` what it is called.

        `marks` are what a person said of replies, by their ids.
        """
        known = {block.id: block for block in self.blocks if isinstance(block, SweptBlock)}
        blocks: list[Block] = []
        for group in groups:
            blocks.append(GroupBlock(group, name))
            for swept in group.replies:
                block = known.get(swept.reply.id)
                own = swept, behaviour, marks.get(swept.reply.id)
                if block is None or (block.swept, block.behaviour, block.mark) != own:
                    block = SweptBlock(*own)
                blocks.append(block)
        self._show_in_place(blocks)

    def _show_in_place(self, blocks: Sequence[Block]) -> None:
        """Replace the blocks; the picked reply keeps its place on the screen."""
        picked = self._picked
        at = self.page.place_of(picked.id) if picked else None
        inside = self.page.start_of(at) - self.scroll_offset.y if at is not None else None
        self._picked = None
        self.show(blocks)
        replies = [block for block in self.blocks if isinstance(block, SweptBlock)]
        wanted = picked.id if picked is not None else self.wanted
        found = next((block for block in replies if block.id == wanted), None)
        self._mark(found or next(iter(replies), None))
        top = 0
        if found is not None and inside is not None:
            here, above = self._place(found), max(0, min(inside, self.size.height))
            for place in range(max(0, here - above), here + 1):
                self.page.wrap(place)  # what is in view above it has its true height
            top = self.page.start_of(here) - inside
        self._follows = False
        self.scroll_to(y=max(0, top), animate=False, immediate=True)

    # --- picking a reply ----------------------------------------------------------------

    def pick_by(self, by: int) -> None:
        """Pick another reply, the next one or one further away."""
        replies = [block for block in self.blocks if isinstance(block, SweptBlock)]
        if self._picked is not None and replies:
            here = replies.index(self._picked)
            self.pick(replies[max(0, min(here + by, len(replies) - 1))])

    def pick_end(self, *, last: bool) -> None:
        """Pick the first reply, or the last one."""
        self.pick_by(len(self.blocks) if last else -len(self.blocks))

    def pick(self, block: SweptBlock) -> None:
        """Pick a reply and show as much of it as fits."""
        if block is not self._picked:
            self._mark(block)
            self.post_message(self.Picked())
        place = self._place(block)
        self.page.wrap(place)
        self.reveal_row(self.page.start_of(place) + len(block.wrapped.lines) - 1)
        while place and isinstance(self.blocks[place - 1], GroupBlock):
            place -= 1  # the first of a group shows its heading too
        self.reveal_row(self.page.start_of(place))

    def on_resize(self, _event: events.Resize) -> None:
        """Keep the picked reply in view; what else a resize needs, every log does."""
        self.call_after_refresh(self._reveal_picked)

    def _reveal_picked(self) -> None:
        if self._picked is not None:
            self.pick(self._picked)

    def _mark(self, block: SweptBlock | None) -> None:
        for one, picked in ((self._picked, False), (block, True)):
            if one is not None and one.picked != picked:
                one.picked = picked
                if self.page.place_of(one.id) is not None:
                    self.renew(one.id)
        self._picked = block

    def _place(self, block: SweptBlock) -> int:
        place = self.page.place_of(block.id)
        assert place is not None
        return place

    # --- searching ------------------------------------------------------------------------

    def move_to_hit(self, direction: int, *, from_here: bool = False) -> bool:
        """Pick the reply of the next hit, wrapping around. False where there is none."""
        row = self.scroll_offset.y
        if self._picked is not None:
            row = self.page.start_of(self._place(self._picked))
        hit = self.finder.next(direction, row, None, stay=from_here)
        if hit is None:
            return False
        place, found = hit
        if isinstance(block := self.blocks[place], SweptBlock):
            self.pick(block)
        self.reveal_row(self.page.start_of(place) + found.line)
        self.refresh()
        return True

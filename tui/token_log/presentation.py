"""How replies are shown: as Markdown or token by token, with their thinking or without."""

from __future__ import annotations

from collections.abc import Iterable

from logit_amp_chat.tui.token_log.blocks import UNFOLD_KEY, Block, ReplyBlock
from logit_amp_chat.tui.token_log.layout import Page


class Presentation:
    """What the blocks of a page have in common; a change has them wrapped again."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.unfold_key = UNFOLD_KEY
        """As people write the key that the user unfolds thinking with."""
        self.rendered = False
        self.folded = True
        self.searching = False
        """A search unfolds thinking, so that it finds everything."""

    def apply(self, blocks: Iterable[Block]) -> None:
        """Show blocks like the others."""
        for block in blocks:
            if isinstance(block, ReplyBlock):
                block.rendered, block.unfold_key = self.rendered, self.unfold_key
                block.folded = self.folded and not self.searching

    def render(self, rendered: bool) -> None:
        """Show finished replies as Markdown, or token by token."""
        self.rendered = rendered
        self._renew(self.page.blocks)

    def fold(self, folded: bool) -> None:
        """Show thinking that is over as one line, or all of it."""
        self.folded = folded
        for block in self._thinking():
            block.opened = False
        self._renew(self._thinking())

    def search(self, searching: bool) -> bool:
        """Begin or end a search; returns whether that changes what is shown."""
        changes = searching != self.searching and self.folded
        self.searching = searching
        thinking = self._thinking() if changes else []
        self._renew(thinking)
        return bool(thinking)

    def open(self, reply: str, step: int) -> bool:
        """Unfold a reply for a token of its thinking; returns whether that changes anything."""
        place = self.page.place_of(reply)
        block = None if place is None else self.page.blocks[place]
        if not isinstance(block, ReplyBlock) or block.opened or step >= len(block.log.steps):
            return False
        if not block.is_thought(step):
            return False
        block.opened = True
        self._renew([block])
        return block.folded

    def _thinking(self) -> list[ReplyBlock]:
        replies = (block for block in self.page.blocks if isinstance(block, ReplyBlock))
        return [block for block in replies if block.log.parts.thoughts()]

    def _renew(self, blocks: Iterable[Block]) -> None:
        blocks = [*blocks]
        self.apply(blocks)
        for block in blocks:
            if (place := self.page.place_of(block.id)) is not None:
                self.page.forget(place)

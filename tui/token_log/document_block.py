"""A text that was read, as a token log shows it: measured tokens between text that is not."""

from __future__ import annotations

from logit_amp_chat.core.records import Document, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.blocks import ReplyBlock

UNREAD = "told"  # the kind of what was not measured


class DocumentBlock(ReplyBlock):
    """The characters of `document`; those that a step of `log` covers are its token."""

    def __init__(self, document: Document, log: ReplyLog) -> None:
        self.document = document
        super().__init__(log, heading=False)

    @property
    def size(self) -> int:
        """Estimated number of cells."""
        return len(self.document.text)

    def _begin(self, width: int) -> None:
        super()._begin(width)
        self._end_of_last = 0  # characters that are shown

    def _render(self) -> None:
        """A text is shown as it stands, never as Markdown."""
        self.grow()

    def _add(self, index: int, step: Step) -> None:
        start, end = self.document.offsets[index]
        self._add_unread(start)
        # Tokens of one character cover it together: it is shown at the first one.
        text = self.document.text[max(start, self._end_of_last) : end]
        self._end_of_last = max(self._end_of_last, end)
        self.wrapped.add(visible(text), "special" if step.special else "text", index)

    def _add_unread(self, end: int) -> None:
        if end > self._end_of_last:
            self.wrapped.add(visible(self.document.text[self._end_of_last : end]), UNREAD)
            self._end_of_last = end

    def _end(self) -> None:
        """Add what follows the last token that was measured."""
        self._ended = True
        self._add_unread(len(self.document.text))

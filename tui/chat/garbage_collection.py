"""Keeps the garbage collector from halting the screen in a long chat."""

from __future__ import annotations

import gc

from textual.strip import Strip

from logit_amp_chat.core.transcripts.conversation import Conversation


class RecordFreezer:
    """Takes the records, which stay as long as the chat, out of the collector's sight.

    Scanning a million of them would halt the screen for a tenth of a second now and then.
    """

    def __init__(self) -> None:
        self._frozen: Conversation | None = None

    def freeze(self, conversation: Conversation) -> None:
        """Freeze what there is now; what another conversation has left is freed."""
        if conversation is not self._frozen:
            gc.unfreeze()
            Strip.render_ansi.cache_clear()  # Textual's; an entry for every place of every word
        if self._frozen is not None:  # not before the first paint
            gc.collect()  # freezing would keep today's garbage as well
        self._frozen = conversation
        gc.freeze()

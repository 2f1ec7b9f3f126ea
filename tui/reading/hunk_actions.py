"""From hunk to hunk of a text that was read."""

from __future__ import annotations

from logit_amp_chat.tui.reading.cursor_actions import CursorActions
from logit_amp_chat.tui.reading.host import ReadingHost
from logit_amp_chat.tui.reading.reading_view import ReadingView
from logit_amp_chat.tui.token_log.cursor import Cursor


class HunkActions(CursorActions):
    """Moves the cursor of a text; what stands out are the strongest tokens of its hunks."""

    def __init__(self, host: ReadingHost) -> None:
        super().__init__(host)
        self.view: ReadingView = host.view

    def to_notable(self, direction: int) -> bool:
        """To the strongest token of the next hunk. False where there is none."""
        reading, log = self.view.reading, self.view.log_view
        places = [hunk.strongest.index for hunk in reading.hunks]
        end = len(reading.log.steps) if reading.log else 0
        here = log.cursor.step if log.cursor else -1 if direction > 0 else end
        beyond = [place for place in places if (place - here) * direction > 0]
        if not beyond or reading.document is None:
            return False
        log.set_cursor(Cursor(reading.document.id, beyond[0] if direction > 0 else beyond[-1]))
        return True

"""Looking at tokens: inspector, candidates, colours."""

from __future__ import annotations

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.tui.reading.host import LogHost
from logit_amp_chat.tui.token_log.cursor import Cursor


class InspectActions:
    """The actions that show more of the token under the cursor."""

    def __init__(self, host: LogHost) -> None:
        self.host = host
        self.view = host.view
        self._had_inspector = False  # before a candidate was to be chosen

    def inspect(self) -> None:
        """Show or hide the inspector; in the text the cursor goes to the token it shows."""
        view, shown = self.view, not self.view.inspector.display
        if shown and view.place == view.text_place and view.current_log.cursor is None:
            self._go_to_inspected()
        view.show_inspector(shown)

    def _go_to_inspected(self) -> None:
        """Put the cursor on the token that the inspector opens on, unless it is streaming."""
        block = self.view.current_block
        if block is not None and block.log.steps and block.log.is_over:
            place = self.view.place_to_inspect(block)
            self.view.current_log.set_cursor(Cursor(block.id, place))

    def sort(self) -> None:
        """Sort the candidates by the next criterion."""
        self.view.inspector.sort()

    def choose(self) -> None:
        """Choose among the candidates of the cursor's token."""
        view = self.view
        if view.current_log.cursor is not None:
            self._had_inspector = view.inspector.display
            view.show_inspector(True)
            self.host.call_after_refresh(self._choose)

    def _choose(self) -> None:
        if not self.view.inspector.choose():
            self.view.notice.say("No candidates were recorded for this token.")

    def inspector_left(self) -> None:
        """The keyboard has left the candidates: an inspector opened for them is closed."""
        if not self._had_inspector:
            self.view.show_inspector(False)
        self.view.refresh_keys()

    def candidate(self, by: int) -> None:
        """Select another candidate."""
        self.view.inspector.select_by(by)

    def colour(self) -> None:
        """Colour by the next metric, or not at all."""
        view = self.view
        metrics = [None, *TOKEN_METRICS.values()]
        view.legend.metric = metrics[(metrics.index(view.legend.metric) + 1) % len(metrics)]
        view.legend.said = ""
        view.colour_logs()
        view.refresh_legend()
        view.refresh_keys()

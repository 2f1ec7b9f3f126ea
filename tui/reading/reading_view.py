"""What the screen of a text shows: its tokens, where the cursor is, what the models make of it."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from logit_amp_chat.core.analysis.hunks import log_ratio
from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.core.chat.read_text import ReadText, Wait
from logit_amp_chat.core.lanes import LETTERS
from logit_amp_chat.core.number_format import count, delta, in_nats, nats, perplexity, signed
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.log_panel import LogPanel
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.document_block import DocumentBlock
from logit_amp_chat.tui.token_log.widget import TokenLog

WAITS: dict[Wait, str] = {
    "": "",
    "reading": "",
    "loading": "It is read as soon as the models are loaded.",
    "engine busy": "It is read as soon as the reply has ended.",
    "not loaded": "The models are not loaded. Go back (esc) and press ctrl+l to load them.",
}


class DocumentLog(TokenLog, inherit_bindings=False):
    """A token log with the keys of a text that is read."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("reading")]


class ReadingView(LogPanel):
    """The widgets of the screen, in line with `reading`."""

    text_place: keymap.Place = "reading"

    def __init__(self, screen: Screen[Any], reading: ReadText, actions: keymap.Actions) -> None:
        super().__init__(screen, actions, DocumentLog(id="log"))
        self.reading = reading
        self.figures = Static(id="figures", markup=False)
        self.where = Static(id="where", markup=False)
        self._placed = False  # whether the cursor was

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.status
        yield self.figures
        with Container(id="stage"):
            with Container(id="reading"):
                yield self.log_view
            yield self.inspector
        yield self.where
        yield self.legend
        yield self.notice
        yield self.keys

    def begin(self) -> None:
        """Nothing is there yet; tokens will have the colours of a diff."""
        self.inspector.display = False
        self.legend.metric = TOKEN_METRICS["shift"]
        self.colour_logs()
        self.update()

    # --- the text -------------------------------------------------------------------

    def update(self) -> None:
        """Show what is known now."""
        reading, log = self.reading, self.log_view
        if reading.document is not None and reading.log is not None:
            if not log.blocks:
                log.show([DocumentBlock(reading.document, reading.log)])
            log.grow(reading.document.id)
            self._place_cursor()
        self.refresh_status()
        self.refresh_inspector()
        self.refresh_legend()

    def _place_cursor(self) -> None:
        """Put the cursor where reading begins, so that the view does not follow the end."""
        document, log = self.reading.document, self.log_view
        if log.cursor is None and document is not None:
            beginning = self.reading.beginning
            if beginning is not None and not self._placed:
                self._placed = True
                log.set_cursor(Cursor(document.id, beginning))

    # --- around the text ------------------------------------------------------------

    def states(self) -> set[str]:
        """The states that narrow the footer."""
        return super().states() | {"streaming" if self.reading.is_running else "read"}

    def refresh_keys(self) -> None:
        """The footer; what works anywhere in the chat does not work here."""
        super().refresh_keys()
        own = (action for action in self.keys.actions if action.place != "anywhere")
        self.keys.actions = tuple(own)

    def refresh_status(self) -> None:
        """Which text it is, how far it was read, and what the models make of it."""
        folder, _, name = self.reading.name.rpartition("/")
        self.status.title = visible(name, newlines=False)
        self.status.details = tuple(filter(None, (self.reading.place, folder)))
        self.status.figures = self._progress()
        self.figures.update(Content(self._figures()))
        self.where.update(Content(self._where()))
        self.refresh_keys()

    def _progress(self) -> tuple[str, ...]:
        reading = self.reading
        finish = reading.log.finish if reading.log else None
        if reading.problem:
            said = "not read"
        elif reading.is_over and (finish is None or finish.reason in ("cancelled", "error")):
            said = f"stopped at {reading.done:,} of {count(reading.total, 'token')}"
        elif reading.is_over:
            said = count(reading.total, "token")
        elif reading.document is not None:
            said = f"{reading.done:,} of {count(reading.total, 'token')} …"
        else:
            said = "reading …" if reading.is_running else ""
        saved = ""
        if reading.path is not None:
            saved = "saved" if reading.is_saved else "NOT SAVED"
        return tuple(filter(None, (said, saved)))

    def _figures(self) -> str:
        """Perplexities, log-ratio and KL of what was read."""
        stats, reading = self.reading.stats, self.reading
        if reading.problem or not stats.tokens:
            return visible(reading.problem or self._waiting(), newlines=False)
        before, after = stats.perplexity(stats.logp_before), stats.perplexity(stats.logp_after)
        notable = f"{count(len(reading.hunks), 'hunk')} ≥ {in_nats(reading.stats.threshold)}"
        return "  ".join(
            [
                f"perplexity {LETTERS['before']} {perplexity(before)}"
                f" → {LETTERS['after']} {perplexity(after)}",
                f"log-ratio {delta(stats.log_ratio).strip()}",
                f"KL {nats(stats.mean_kl).strip()}",
                notable,
            ]
        )

    def _waiting(self) -> str:
        """Why nothing was read yet."""
        return "No token of it is scored." if self.reading.is_over else WAITS[self.reading.wait]

    def _where(self) -> str:
        """The place of the cursor in the source, its token's log-ratio, and its hunk."""
        places, step = self.reading.places, self.log_view.step_under_cursor()
        if places is None or step is None:
            return ""
        parts = [str(places.of(step.index)), f"log-ratio {delta(log_ratio(step)).strip()}"]
        hunks = self.reading.hunks
        number = bisect_right(hunks, step.index, key=lambda hunk: hunk.first)
        if number and step.index <= hunks[number - 1].steps[-1].index:
            hunk = hunks[number - 1]
            parts.append(
                f"hunk {number} of {len(hunks)}: {delta(hunk.log_ratio).strip()},"
                f" KL {nats(hunk.kl).strip()}"
            )
        return " · ".join([*parts, f"α {signed(self.reading.alpha)} as read"])

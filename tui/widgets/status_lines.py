"""One-line widgets: the status line above, the key line below, notices in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.keys.actions import Action
from logit_amp_chat.tui.token_log.wrapping import WrappedText, clip

TITLE = 36
"""Cells that the title of a pair and its sides may have before figures are left out."""


class StatusLine(Widget):
    """What is loaded on the left, activity on the right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"status--name", "status--muted"}

    title: reactive[str] = reactive("")
    details: reactive[tuple[str, ...]] = reactive(())
    figures: reactive[tuple[str, ...]] = reactive(())

    def render_line(self, y: int) -> Strip:
        """Left and right part; when narrow, the less important details are left out."""
        width = self.size.width
        base = self.rich_style
        if y:
            return Strip.blank(width, base)
        muted = base + self.get_component_rich_style("status--muted", partial=True)
        bold = base + self.get_component_rich_style("status--name", partial=True)
        figures = list(self.figures)
        right = "  ".join(figures)
        most = max(width // 2, width - TITLE)
        while cell_len(right) > most and len(figures) > 1:
            figures.pop(0)
            right = "  ".join(figures)
        right = clip(right, max(0, width - 2))
        room = width - cell_len(right) - 3
        left = clip(visible(self.title, newlines=False), max(0, room))
        segments = [Segment(" ", base), Segment(left, bold)]
        used = cell_len(left)
        for detail in self.details:
            text = " · " + visible(detail, newlines=False)
            if used + cell_len(text) > room:
                break
            segments.append(Segment(text, muted))
            used += cell_len(text)
        segments.append(Segment(" " * max(1, width - used - cell_len(right) - 2), base))
        segments.append(Segment(right + " ", muted))
        return Strip(segments).adjust_cell_length(width, base)


class KeyLine(Widget):
    """The keys that matter now, most important first; entries that do not fit are left out."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--label", "keys--place"}

    actions: reactive[tuple[Action, ...]] = reactive(())
    place: reactive[str] = reactive("")

    def render_line(self, y: int) -> Strip:
        """Key and label, side by side."""
        width = self.size.width
        base = self.rich_style
        if y:
            return Strip.blank(width, base)
        key = base + self.get_component_rich_style("keys--key", partial=True)
        label = base + self.get_component_rich_style("keys--label", partial=True)
        segments = [Segment(" ", base)]
        used = 1
        for action in self.actions:
            keys = action.display + action.opposite
            entry = cell_len(keys) + 1 + cell_len(action.label) + 2
            if used + entry > width:
                continue
            segments += [Segment(keys, key), Segment(f" {action.label}  ", label)]
            used += entry
        return Strip(segments).adjust_cell_length(width, base)


class Entry(NamedTuple):
    """A notice; a later one of the same `kind`, where it has one, replaces it."""

    sentence: str
    remedy: str
    error: bool
    kind: str


class Notice(Widget):
    """One sentence with its remedy, until it is dismissed: errors first, then the newest."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"notice--remedy"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._queue: list[Entry] = []
        self.display = False

    @property
    def entries(self) -> Sequence[Entry]:
        """The unread notices, as they will be shown."""
        return self._queue

    def say(self, sentence: str, remedy: str = "", *, error: bool = False, kind: str = "") -> None:
        """Show a sentence at once; an error, or what comes after one, once that was read."""
        new = Entry(visible(sentence, newlines=False), visible(remedy, newlines=False), error, kind)
        if not (error and new in self._queue):
            left = [old for old in self._queue if old != new and not (kind and old.kind == kind)]
            errors = [old for old in left if old.error]
            self._queue = [*errors, new, *(old for old in left if not old.error)]
        self._update()

    def dismiss(self) -> bool:
        """Remove the notice that is shown. False if there was none."""
        if not self._queue:
            return False
        self._queue.pop(0)
        self._update()
        return True

    def take_back(self, sentence: str) -> None:
        """Remove a sentence that is no longer true."""
        said = visible(sentence, newlines=False)
        self._queue = [entry for entry in self._queue if entry.sentence != said]
        self._update()

    def clear(self) -> None:
        """Remove all notices."""
        self._queue = []
        self._update()

    def clear_information(self) -> None:
        """Remove all notices that are no errors."""
        self._queue = [entry for entry in self._queue if entry.error]
        self._update()

    def _update(self) -> None:
        self.display = bool(self._queue)
        if self._queue:
            self.set_class(self._queue[0].error, "-error")
            self.refresh(layout=True)

    def _lay_out(self, width: int) -> WrappedText:
        wrapped = WrappedText(max(10, width - 1))
        if not self._queue:
            return wrapped
        sentence, remedy, error, _ = self._queue[0]
        wrapped.add("✗ " if error else "• ", "sign")
        wrapped.add(sentence, "sentence")
        if remedy:
            wrapped.add(" " + remedy, "remedy")
        more = f" (esc: next of {len(self._queue)})" if len(self._queue) > 1 else ""
        wrapped.add(more or "  (esc closes)", "remedy")
        return wrapped

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as the sentence needs."""
        return len(self._lay_out(width).lines)

    def render_line(self, y: int) -> Strip:
        """One line of the sentence."""
        width = self.size.width
        base = self.rich_style
        lines = self._lay_out(width).lines
        if y >= len(lines):
            return Strip.blank(width, base)
        remedy = base + self.get_component_rich_style("notice--remedy", partial=True)
        segments = [Segment(" ", base)] + [
            Segment(span.text, remedy if span.kind == "remedy" else base) for span in lines[y]
        ]
        return Strip(segments).adjust_cell_length(width, base)

"""Paints the lines of a token log: spans to styled segments."""

from __future__ import annotations

from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual.selection import Selection
from textual.strip import Strip

from logit_amp_chat.core.analysis.token_metrics import TokenMetric
from logit_amp_chat.core.records import Step
from logit_amp_chat.tui.token_log.blocks import Block, ReplyBlock
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.layout import MARGIN, Page
from logit_amp_chat.tui.token_log.search import Finder
from logit_amp_chat.tui.token_log.wrapping import LABELS, RENDERED, SAID, Span

FORKS = ("given", "common", "fork-before", "fork-after", "fork-amplified")


class LogView(Protocol):
    """What the painter needs of a token log: content, state and styles."""

    page: Page
    finder: Finder
    cursor: Cursor | None
    metric: TokenMetric | None

    @property
    def dark(self) -> bool:
        """Whether the theme is dark."""

    @property
    def text_selection(self) -> Selection | None:
        """What the mouse has selected."""

    @property
    def rich_style(self) -> Style:
        """The style of plain text."""

    @property
    def selected_style(self) -> Style:
        """The style of selected text."""

    def get_component_rich_style(self, *names: str, partial: bool) -> Style:
        """The style of a component class."""


class Painter:
    """Draws the lines of one log; each style is looked up once and remembered."""

    CLASSES: ClassVar[set[str]] = {
        f"log--{kind}" for kind in (*SAID, *LABELS, *FORKS, "cursor", "found", "hit")
    }

    def __init__(self, view: LogView) -> None:
        self.view = view
        self._styles: dict[tuple[str, ...], Style] = {}
        self._tints: dict[tuple[str, str, int, str], Style] = {}

    def forget(self) -> None:
        """Look every style up again: the theme has changed."""
        self._styles.clear()
        self._tints.clear()

    def line(self, row: int, width: int) -> Strip:
        """The strip for a row of the page."""
        base = self._style()
        found = self.view.page.line_at(row)
        if found is None:
            return Strip.blank(width, base)
        block, number, spans = found
        finds = self.view.finder.finds(block)
        ranges = finds.ranges(number) if finds is not None else []
        segments = [Segment(" " * MARGIN, base)]
        column = 0
        for span in spans:
            text, style = self._glyphs(block, span), self._look(block, span)
            if ranges and not self._under_cursor(block, span):
                segments += self._marked(block, column, text, style, ranges)
            else:
                segments.append(Segment(text, style))
            column += len(span.text)
        # Merged, equal styles take a third of the bytes on the wire.
        strip = Strip(segments).simplify().adjust_cell_length(width, base)
        return self._selected(strip, row, width)

    def _style(self, *names: str) -> Style:
        """The log's style, with those of component classes on top."""
        style = self._styles.get(names)
        if style is None:
            style = self.view.rich_style
            for name in names:
                if name.startswith(RENDERED):
                    style += Style.parse(name.removeprefix(RENDERED) or "none")
                elif f"log--{name}" in self.CLASSES:
                    style += self.view.get_component_rich_style(f"log--{name}", partial=True)
            self._styles[names] = style
        return style

    def _under_cursor(self, block: Block, span: Span) -> bool:
        cursor = self.view.cursor
        return cursor is not None and span.step == cursor.step and cursor.reply == block.id

    def _glyphs(self, block: Block, span: Span) -> str:
        if not self._under_cursor(block, span):
            return span.text
        return "⏎" if span.kind == "newline" else span.text.replace(" ", "·")

    def _look(self, block: Block, span: Span) -> Style:
        if span.step is None or not isinstance(block, ReplyBlock):
            return self._style(span.kind)
        if self._under_cursor(block, span):
            return self._style(span.kind, "cursor")
        metric, steps = self.view.metric, block.log.steps
        if metric is not None and span.step < len(steps):
            return self._tinted(span.kind, metric, steps[span.step])
        if span.step == block.fork:
            return self._style(span.kind, f"fork-{block.colour}")
        if span.step < block.given:
            return self._style(span.kind, "given")
        if span.step < block.common:
            return self._style(span.kind, "common")
        return self._style(span.kind)

    def _style_of(self, name: str) -> Style:
        return self.view.get_component_rich_style(f"log--{name}", partial=True)

    def _tinted(self, kind: str, metric: TokenMetric, step: Step) -> Style:
        """The style of a token with the colours and the mark of its level."""
        key = kind, metric.id, metric.level(step), metric.mark(step)
        style = self._tints.get(key)
        if style is None:
            colours = metric.colours(key[2], dark=self.view.dark)
            style = self._tints[key] = self._style(kind) + Style(
                color=colours.text if colours else None,
                bgcolor=colours.ground if colours else None,
                bold=key[3] == "bold" or None,
                underline=key[3] == "underline" or None,
            )
        return style

    def _marked(
        self,
        block: Block,
        column: int,
        text: str,
        style: Style,
        ranges: list[tuple[int, int, int]],
    ) -> list[Segment]:
        """A span's text with the hits in it highlighted."""
        segments: list[Segment] = []
        at = 0
        for offset, start, end in ranges:
            first, last = max(at, start - column), min(len(text), end - column)
            if first >= last:
                continue
            name = "hit" if self.view.finder.is_visited(block, offset) else "found"
            segments += [
                Segment(text[at:first], style),
                Segment(text[first:last], style + self._style_of(name)),
            ]
            at = last
        return [*segments, Segment(text[at:], style)]

    def _selected(self, strip: Strip, row: int, width: int) -> Strip:
        """The strip with the mouse selection highlighted."""
        selection = self.view.text_selection
        if selection is None or (marked := selection.get_span(row)) is None:
            return strip
        start, end = marked
        end = width if end == -1 else end
        style = self.view.selected_style
        parts = strip.divide([start, end, width])
        return Strip.join([p.apply_style(style) if i == 1 else p for i, p in enumerate(parts)])

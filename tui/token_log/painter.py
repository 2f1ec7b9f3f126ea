"""How a token log looks: from the spans of a line to what the terminal is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from logit_amp_chat.core.analysis.token_metrics import TokenMetric
from logit_amp_chat.core.records import Step
from logit_amp_chat.tui.token_log.blocks import RENDERED, Block, ReplyBlock
from logit_amp_chat.tui.token_log.wrapping import Span

if TYPE_CHECKING:
    from logit_amp_chat.tui.token_log.widget import TokenLog


class Painter:
    """Draws the lines of one log; styles are asked for once and remembered."""

    CLASSES: ClassVar[set[str]] = {
        f"log--{kind}"
        for kind in (
            *("you", "said", "system", "told", "text", "special", "newline", "mark", "finish"),
            *("head-before", "head-after", "head-amplified", "note"),
            *("common", "fork-before", "fork-after", "fork-amplified"),
            *("cursor", "found", "hit"),
        )
    }

    def __init__(self, log: TokenLog) -> None:
        self.log = log
        self._styles: dict[tuple[str, ...], Style] = {}
        self._tints: dict[tuple[str, str, int, str], Style] = {}

    def forget(self) -> None:
        """The theme is another."""
        self._styles.clear()
        self._tints.clear()

    def line(self, row: int, width: int) -> Strip:
        """The whole line at a row of the page."""
        log = self.log
        base = self._style()
        found = log.page.line_at(row)
        if found is None:
            return Strip.blank(width, base)
        block, number, spans = found
        finds = log.finder.finds(block)
        ranges = finds.ranges(number) if finds is not None else []
        segments = [Segment(" ", base)]
        column = 0
        for span in spans:
            text, style = self._glyphs(block, span), self._look(block, span)
            if ranges and not self._under_cursor(block, span):
                segments += self._marked(block, column, text, style, ranges)
            else:
                segments.append(Segment(text, style))
            column += len(span.text)
        # Words that look the same are sent as one: a line of tokens takes a third of the bytes.
        strip = Strip(segments).simplify().adjust_cell_length(width, base)
        return self._selected(strip, row, width)

    def _style(self, *names: str) -> Style:
        """The log's style with those of some component classes on top."""
        style = self._styles.get(names)
        if style is None:
            style = self.log.rich_style
            for name in names:
                if name.startswith(RENDERED):
                    style += Style.parse(name.removeprefix(RENDERED) or "none")
                elif f"log--{name}" in self.CLASSES:
                    style += self.log.get_component_rich_style(f"log--{name}", partial=True)
            self._styles[names] = style
        return style

    def _under_cursor(self, block: Block, span: Span) -> bool:
        cursor = self.log.cursor
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
        metric, steps = self.log.metric, block.log.steps
        if metric is not None and span.step < len(steps):
            return self._tinted(span.kind, metric, steps[span.step])
        if span.step == block.fork:
            return self._style(span.kind, f"fork-{block.lane}")
        if span.step < block.common:
            return self._style(span.kind, "common")
        return self._style(span.kind)

    def _style_of(self, name: str) -> Style:
        return self.log.get_component_rich_style(f"log--{name}", partial=True)

    def _tinted(self, kind: str, metric: TokenMetric, step: Step) -> Style:
        """A token's look with the colours of its level, and its mark."""
        key = kind, metric.id, metric.level(step), metric.mark(step)
        style = self._tints.get(key)
        if style is None:
            colours = metric.colours(key[2], dark=self.log.app.current_theme.dark)
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
        """A span's text with what was found in it set off."""
        segments: list[Segment] = []
        at = 0
        for offset, start, end in ranges:
            first, last = max(at, start - column), min(len(text), end - column)
            if first >= last:
                continue
            name = "hit" if self.log.finder.is_visited(block, offset) else "found"
            segments += [
                Segment(text[at:first], style),
                Segment(text[first:last], style + self._style_of(name)),
            ]
            at = last
        return [*segments, Segment(text[at:], style)]

    def _selected(self, strip: Strip, row: int, width: int) -> Strip:
        """With what the mouse has selected set off."""
        selection = self.log.text_selection
        if selection is None or (marked := selection.get_span(row)) is None:
            return strip
        start, end = marked
        end = width if end == -1 else end
        style = self.log.screen.get_component_rich_style("screen--selection")
        parts = strip.divide([start, end, width])
        return Strip.join([p.apply_style(style) if i == 1 else p for i, p in enumerate(parts)])

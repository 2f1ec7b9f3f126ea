"""The progress of loading models and of prefill, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core.number_format import quantity
from logit_amp_chat.core.protocol import Loading, Prefill
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.token_log.wrapping import clip

BAR = 24


class LoadingPanel(Widget):
    """One line per stage: name, bar, figures, detail."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "loading--bar",
        "loading--rail",
        "loading--muted",
        "loading--done",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stages: list[Loading] = []
        self._title = ""

    def show(self, title: str, stages: Mapping[str, Loading]) -> None:
        """Show the progress of each stage."""
        new = list(stages.values())
        if (title, new) == (self._title, self._stages):
            return
        grown = len(new) != len(self._stages)
        self._title, self._stages = title, new
        self.refresh(layout=grown)

    def show_prefill(self, prefill: Prefill) -> None:
        """Show how much of the prompt is prefilled."""
        stage = Loading(
            stage="prompt", detail="", done=prefill.done, total=prefill.total, unit="tokens"
        )
        self.show("Reading the prompt", {"prompt": stage})

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """A title and one line per stage."""
        return 1 + max(1, len(self._stages))

    def render_line(self, y: int) -> Strip:
        """The title, then the stages."""
        width = self.size.width
        base = self.rich_style
        if y == 0:
            return Strip([Segment(clip(f" {self._title}", width), base)]).adjust_cell_length(
                width, base
            )
        if y > len(self._stages):
            text = " starting the engine …" if y == 1 else ""
            muted = base + self.get_component_rich_style("loading--muted", partial=True)
            return Strip([Segment(text, muted)]).adjust_cell_length(width, base)
        return Strip(self._line(self._stages[y - 1], width)).adjust_cell_length(width, base)

    def _line(self, stage: Loading, width: int) -> list[Segment]:
        base = self.rich_style
        bar_style = base + self.get_component_rich_style("loading--bar", partial=True)
        rail = base + self.get_component_rich_style("loading--rail", partial=True)
        muted = base + self.get_component_rich_style("loading--muted", partial=True)
        room = max(6, min(BAR, width - 44))
        figures = quantity(stage.done, stage.unit) if stage.total or stage.done else ""
        percent = "    "
        full = 0
        if stage.total:
            share = max(0.0, min(1.0, stage.done / stage.total))
            full = round(share * room)
            percent = f"{share:4.0%}"
            figures += f" / {quantity(stage.total, stage.unit)}"
        if figures and stage.unit not in ("", "bytes"):
            figures += f" {stage.unit}"
        detail = clip(
            visible(stage.detail, newlines=False), max(0, width - room - 18 - len(figures))
        )
        return [
            Segment(f" {stage.stage:<10} ", base),
            Segment("━" * full, bar_style),
            Segment("─" * (room - full), rail),
            Segment(f" {percent} ", base),
            Segment(f" {figures}", base),
            Segment(f"  {detail}", muted),
        ]

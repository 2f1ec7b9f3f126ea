"""Chooses the lanes of a comparison: αs, and stages of a chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.lanes import LaneAt, parse_lanes, stage_lane
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.line_input import LineInput

MOST = 12
FORM = "αs are numbers with commas between them, such as −1, 0, 0.5, 2."


class Compared(NamedTuple):
    """What stands beside the live lane."""

    alphas: tuple[float, ...]
    stages: tuple[LaneAt, ...]


class CompareAlphasScreen(Dialog[Compared]):
    """Asks for a list of αs and stages: each is a lane that stays there, beside the live one."""

    CSS_PATH = "base.tcss"
    heading = "αs to compare"

    def __init__(
        self,
        alphas: Sequence[float],
        example: Sequence[float],
        compared: Sequence[LaneAt] = (),
        stages: Sequence[str] = (),
    ) -> None:
        """Start from the αs and the lanes that are compared now; `stages` are the chain's."""
        super().__init__()
        self._alphas = alphas
        self._example = example
        self._compared = compared
        self._stages = stages

    def body(self) -> ComposeResult:
        """One line to type into, and what the numbers mean."""
        yield Static(
            "−1 is before · 0 is after · the live α has a lane of its own",
            classes="muted",
            markup=False,
        )
        said = [*map(self._written, self._compared), *map(signed, self._alphas)]
        yield LineInput(", ".join(said), compact=True)
        example = ", ".join(map(signed, self._example))
        yield Static(f"for example {example}", classes="muted", markup=False)
        if self._stages:
            first, *_, last = self._stages
            names = ", ".join(self._stages)
            yield Static(
                f"or stages: {names}, all, or an α between two: {first}>{last} 1",
                classes="muted",
                markup=False,
            )

    @on(Input.Changed)
    def _mend(self) -> None:
        self.problem("")

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        form = f"{FORM} Stages are {', '.join(self._stages)}." if self._stages else FORM
        try:
            alphas, lanes = parse_lanes(event.value, self._stages)
        except UsageError as error:
            self.problem(f"{error} {form}" if self._stages else form)
            return
        if not (alphas or lanes):
            self.problem(f"Enter at least one α. {form}")
        elif len(alphas) + len(lanes) > MOST:
            self.problem(f"{len(alphas) + len(lanes)} lanes are too many: at most {MOST}.")
        else:
            self.dismiss(Compared(tuple(alphas), tuple(lanes)))

    def _written(self, lane: LaneAt) -> str:
        """A lane of stages as it is typed: a stage by its name, where that means the same lane."""
        assert lane.stages is not None
        before, after = lane.stages
        for stage in lane.stages:
            if stage in self._stages and stage_lane(self._stages, stage) == (
                lane.stages,
                lane.alpha,
            ):
                return stage
        return f"{before}>{after} {signed(lane.alpha)}"

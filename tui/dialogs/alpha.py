"""Entering any α."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from logit_amp_chat.core.number_format import MINUS, exact, signed
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.line_input import LineInput


def next_preset(value: float, presets: Sequence[float], by: int) -> float | None:
    """The preset after `value`, upwards or downwards and round the end; None without any."""
    if by > 0:
        return min((p for p in presets if p > value), default=min(presets, default=None))
    return max((p for p in presets if p < value), default=max(presets, default=None))


def _typed(value: float) -> str:
    """An α as one types it, to its last digit."""
    return exact(float(value))


class AlphaScreen(Dialog[float]):
    """Asks for α: any finite number."""

    CSS_PATH = "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "preset(1)", "Larger", id="alpha.up", show=False),
        Binding("down", "preset(-1)", "Smaller", id="alpha.down", show=False),
    ]
    heading = "α"

    def __init__(self, value: float, presets: Sequence[float] = ()) -> None:
        """Start from the α in force; ↑ and ↓ go through `presets`."""
        super().__init__()
        self._value = value
        self._presets = sorted(presets)

    def body(self) -> ComposeResult:
        """One line to type into, and what the number means."""
        yield Static("after + α · (after − before)", classes="muted", markup=False)
        yield LineInput(_typed(self._value), compact=True)
        yield Static(
            "−1 is before · 0 is after · above 0 exaggerates", classes="muted", markup=False
        )

        if self._presets:
            listed = " · ".join(map(signed, self._presets))
            yield Static(f"↑↓ {listed}", classes="muted", markup=False)

    def action_preset(self, by: int) -> None:
        """Put the next larger or smaller preset in."""
        field = self.query_one(Input)
        try:
            value = float(field.value.replace(MINUS, "-"))
        except ValueError:
            value = self._value
        if (preset := next_preset(value, self._presets, by)) is not None:
            field.value = _typed(preset)
            field.select_all()

    @on(Input.Changed)
    def _mend(self) -> None:
        self.problem("")

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        try:
            value = float(event.value.replace(MINUS, "-"))
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            self.dismiss(value)
        else:
            self.problem("α is a number, such as 1.5 or −2.")

"""Entering any α."""

from __future__ import annotations

import math

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from core.numbers import MINUS
from tui.screens.dialog import Dialog


class AlphaScreen(Dialog[float]):
    """Asks for α: any finite number."""

    CSS_PATH = "dialog.tcss"
    heading = "α"

    def __init__(self, value: float) -> None:
        """Start from the α in force."""
        super().__init__()
        self._value = value

    def body(self) -> ComposeResult:
        """One line to type into, and what the number means."""
        yield Static("after + α · (after − before)", classes="muted", markup=False)
        yield Input(f"{self._value:.6g}", compact=True)
        yield Static(
            "−1 is before · 0 is after · above 0 exaggerates", classes="muted", markup=False
        )

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

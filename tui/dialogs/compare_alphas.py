"""Chooses the αs of a comparison."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from logit_amp_chat.core.number_format import MINUS, signed
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.line_input import LineInput

MOST = 12
FORM = "αs are numbers with commas between them, such as −1, 0, 0.5, 2."


class CompareAlphasScreen(Dialog[tuple[float, ...]]):
    """Asks for a list of αs: each is a lane that stays there, beside the live one."""

    CSS_PATH = "base.tcss"
    heading = "αs to compare"

    def __init__(self, alphas: Sequence[float], example: Sequence[float]) -> None:
        """Start from the αs that are compared now."""
        super().__init__()
        self._alphas = alphas
        self._example = example

    def body(self) -> ComposeResult:
        """One line to type into, and what the numbers mean."""
        yield Static(
            "−1 is before · 0 is after · the live α has a lane of its own",
            classes="muted",
            markup=False,
        )
        yield LineInput(", ".join(map(signed, self._alphas)), compact=True)
        example = ", ".join(map(signed, self._example))
        yield Static(f"for example {example}", classes="muted", markup=False)

    @on(Input.Changed)
    def _mend(self) -> None:
        self.problem("")

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        words = re.split(r"[\s,;]+", event.value.replace(MINUS, "-").strip(" ,;"))
        try:
            values = {float(word) + 0.0 for word in words if word}
        except ValueError:
            values = {math.nan}
        if not values:
            self.problem(f"Enter at least one α. {FORM}")
        elif not all(map(math.isfinite, values)):
            self.problem(FORM)
        elif len(values) > MOST:
            self.problem(f"{len(values)} αs are too many: at most {MOST}.")
        else:
            self.dismiss(tuple(sorted(values)))

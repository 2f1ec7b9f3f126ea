"""What a sweep of a turn is to sample, and what is counted in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ValidationError
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Input, Static, TextArea

from logit_amp_chat.core.chat.swept_patterns import patterns_of
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.settings import (
    FREE,
    GRID,
    SAMPLES,
    SweepSettings,
    checked,
)
from logit_amp_chat.core.lanes import parse_alphas
from logit_amp_chat.core.number_format import sampling_line, signed
from logit_amp_chat.core.records import Sampling
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.dialogs.sampling import MEANING, Field, allowed
from logit_amp_chat.tui.widgets.line_input import LineInput
from logit_amp_chat.tui.widgets.text_field import TextField

MOST_REPLIES = 100_000
NAMES = {"αs": "alphas", "samples": "samples", "coupled": "coupled"}
YES, NO = ("yes", "y"), ("no", "n", "")


@dataclass(frozen=True)
class Asked:
    """What was asked for."""

    settings: SweepSettings
    behaviours: tuple[Behaviour, ...]


class Line(Horizontal):
    """A name, an input, and what it may be."""

    def __init__(self, name: str, value: str, meaning: str) -> None:
        super().__init__(id=NAMES[name])
        self._label, self._value, self._meaning = name, value, meaning

    def compose(self) -> ComposeResult:
        """Side by side."""
        yield Static(self._label, classes="name", markup=False)
        yield LineInput(self._value, compact=True)
        yield Static(self._meaning, classes="meaning", markup=False)


class SweepSettingsScreen(Dialog[Asked]):
    """Asks for αs, samples and behaviours; the rest is said."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "sampling.tcss", "sweep.tcss"]
    heading = "Sweep of this turn"
    keys = "tab next · enter start · esc cancel"

    def __init__(self, asked: str, sampling: Sampling) -> None:
        """`asked` is the message, `sampling` that of the chat: its filters are left out."""
        super().__init__()
        self._asked = " ".join(asked.split())
        self._sampling = sampling.model_copy(update=FREE)

    def body(self) -> ComposeResult:
        """The message, a line for each setting, and the behaviours."""
        yield Static(visible(self._asked, newlines=False), id="asked", markup=False)
        with VerticalScroll(id="fields", can_focus=False):
            yield Line("αs", " ".join(map(signed, GRID)), "numbers, or FROM:TO:STEP")
            yield Line("samples", str(SAMPLES), "replies at each α")
            for name in ("temperature", "plausibility", "max_new_tokens", "seed"):
                yield Field(name, getattr(self._sampling, name))
            yield Line("coupled", "no", "yes: one noise for all αs")
            yield Static(
                "behaviours to count: NAME=REGEX, one a line; they may change later",
                classes="muted",
                markup=False,
            )
            yield TextField("", "habit=lighthouse")
        yield Static(id="plan", classes="muted", markup=False)

    def on_mount(self) -> None:
        """Say what it comes to."""
        self._tell()

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _tell(self) -> None:
        """How many replies that is, and how they are sampled."""
        self.problem("")
        try:
            settings = self._settings()
        except UsageError:
            return
        replies = len(settings.alphas) * settings.samples
        self.query_one("#plan", Static).update(
            Content(f"{replies:,} replies, {sampling_line(settings.sampling)}")
        )

    @on(Input.Submitted)
    @on(TextField.Accepted)
    def _accept(self) -> None:
        try:
            asked = Asked(self._settings(), tuple(patterns_of(self.query_one(TextField).text)))
        except UsageError as error:
            self.problem(visible(f"{error.message} {error.remedy}", newlines=False))
        else:
            self.dismiss(asked)

    # --- what was typed -----------------------------------------------------------------

    def _settings(self) -> SweepSettings:
        """Raises UsageError for what is not possible."""
        alphas = parse_alphas(self._typed("αs"))
        samples = self._whole("samples")
        if len({*alphas, 0.0}) * samples > MOST_REPLIES:
            raise UsageError(f"More than {MOST_REPLIES:,} replies are too many for a chat.")
        word = self._typed("coupled").lower()
        if word not in (*YES, *NO):
            raise UsageError("“coupled” is yes or no.")
        return checked(
            SweepSettings(
                alphas=tuple(alphas) or GRID,
                samples=samples,
                sampling=self._checked_sampling(),
                coupled=word in YES,
            )
        )

    def _checked_sampling(self) -> Sampling:
        """Raises UsageError where a number is none, or too large; its field says what it may be."""
        typed = {field.number: field.value for field in self.query(Field)}
        try:
            sampling = Sampling.model_validate(self._sampling.model_dump() | typed)
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            allows = f"It may be {allowed(name)}: {MEANING[name]}."
            raise UsageError(f"This cannot be the {name.replace('_', ' ')}.", allows) from error
        if sampling.temperature == 0:
            raise UsageError("At temperature 0 all replies are the same: there is no rate.")
        return sampling

    def _whole(self, field: str) -> int:
        text = self._typed(field)
        if not (text.isascii() and text.isdigit() and int(text)):
            raise UsageError(f"“{field}” is a whole number, 1 or more.")
        return int(text)

    def _typed(self, field: str) -> str:
        return self.query_one(f"#{NAMES[field]}", Line).query_one(Input).value.strip()

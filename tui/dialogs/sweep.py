"""What a sweep of a turn is to sample, and what is counted in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from logit_amp_chat.core.sampling import Sampling
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


class SweepDialog(Dialog[Asked]):
    """Asks for αs and samples, and says what they come to."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "sampling.tcss", "sweep.tcss"]
    keys = "tab next · enter start · esc cancel"

    def lines(self, alphas: Sequence[float], samples: int) -> ComposeResult:
        """A line for the αs, and one for the samples."""
        yield Line("αs", " ".join(map(signed, alphas)), "numbers, or FROM:TO:STEP")
        yield Line("samples", str(samples), "replies at each α")

    def on_mount(self) -> None:
        """Say what it comes to."""
        self._tell()

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _tell(self) -> None:
        """How many replies that is, and how they are sampled."""
        self.problem("")
        try:
            settings = self.settings()
        except UsageError:
            return
        replies = settings.replies_to(1)
        self.query_one("#plan", Static).update(
            Content(f"{replies:,} replies, {sampling_line(settings.sampling)}")
        )

    @on(Input.Submitted)
    @on(TextField.Accepted)
    def _accept(self) -> None:
        try:
            asked = Asked(self.settings(), self.behaviours())
        except UsageError as error:
            self.problem(visible(f"{error.message} {error.remedy}", newlines=False))
        else:
            self.dismiss(asked)

    # --- what was typed -----------------------------------------------------------------

    @abstractmethod
    def settings(self) -> SweepSettings:
        """What is asked for. Raises UsageError for what is not possible."""

    def behaviours(self) -> tuple[Behaviour, ...]:
        """What is to be counted. Raises UsageError."""
        return ()

    def alphas(self) -> tuple[float, ...]:
        """The αs, 0 among them. Raises UsageError."""
        return tuple(sorted({0.0, *parse_alphas(self.typed("αs"))}))

    def samples(self, alphas: int) -> int:
        """The replies at each of so many αs. Raises UsageError."""
        text = self.typed("samples")
        if not (text.isascii() and text.isdigit() and int(text)):
            raise UsageError("“samples” is a whole number, 1 or more.")
        if alphas * int(text) > MOST_REPLIES:
            raise UsageError(f"More than {MOST_REPLIES:,} replies are too many for a chat.")
        return int(text)

    def typed(self, field: str) -> str:
        """What stands in a line."""
        return self.query_one(f"#{NAMES[field]}", Line).query_one(Input).value.strip()


class SweepSettingsScreen(SweepDialog):
    """Asks for αs, samples, sampling and behaviours of a new sweep."""

    heading = "Sweep of this turn"

    def __init__(self, asked: str, sampling: Sampling) -> None:
        """`asked` is the message, `sampling` that of the chat: its filters are left out."""
        super().__init__()
        self._asked = " ".join(asked.split())
        self._sampling = sampling.model_copy(update=FREE)

    def body(self) -> ComposeResult:
        """The message, a line for each setting, and the behaviours."""
        yield Static(visible(self._asked, newlines=False), id="asked", markup=False)
        with VerticalScroll(id="fields", can_focus=False):
            yield from self.lines(GRID, SAMPLES)
            for name in ("temperature", "plausibility", "max_new_tokens", "seed"):
                yield Field(name, self._sampling)
            yield Line("coupled", "no", "yes: one noise for all αs")
            yield Static(
                "behaviours to count: NAME=REGEX, one a line; they may change later",
                classes="muted",
                markup=False,
            )
            yield TextField("", "habit=lighthouse")
        yield Static(id="plan", classes="muted", markup=False)

    def settings(self) -> SweepSettings:
        """What is asked for. Raises UsageError for what is not possible."""
        alphas, word = self.alphas(), self.typed("coupled").lower()
        if word not in (*YES, *NO):
            raise UsageError("“coupled” is yes or no.")
        return checked(
            SweepSettings(
                alphas=alphas,
                samples=self.samples(len(alphas)),
                sampling=self._checked_sampling(),
                coupled=word in YES,
            )
        )

    def behaviours(self) -> tuple[Behaviour, ...]:
        """What is to be counted. Raises UsageError."""
        return tuple(patterns_of(self.query_one(TextField).text))

    def _checked_sampling(self) -> Sampling:
        """Raises UsageError where a number is none, or outside of its range."""
        typed = (item for field in self.query(Field) for item in field.values.items())
        try:
            sampling = Sampling.model_validate(self._sampling.model_dump() | dict(typed))
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            allows = f"It may be {allowed(name)}: {MEANING[name]}."
            raise UsageError(f"This cannot be the {name.replace('_', ' ')}.", allows) from error
        if sampling.temperature == 0:
            raise UsageError("At temperature 0 all replies are the same: there is no rate.")
        return sampling


class MoreScreen(SweepDialog):
    """Asks for αs and samples that a sweep is to have too."""

    heading = "More of this sweep"

    def __init__(self, there: SweepSettings) -> None:
        """Start from what it has."""
        super().__init__()
        self._there = there

    def body(self) -> ComposeResult:
        """The two lines, and what they do."""
        yield Static(
            "αs are added, never taken away; old replies are measured at new αs.",
            classes="muted",
            markup=False,
        )
        yield from self.lines(self._there.alphas, self._there.samples)
        yield Static(id="plan", classes="muted", markup=False)

    def settings(self) -> SweepSettings:
        """What it is to have. Raises UsageError for what is not possible."""
        alphas = tuple(sorted({*self._there.alphas, *self.alphas()}))
        samples = max(self._there.samples, self.samples(len(alphas)))
        return checked(replace(self._there, alphas=alphas, samples=samples))

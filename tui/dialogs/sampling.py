"""The system prompt, and how a lane picks its next token."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Input, Static

from logit_amp_chat.core.chat.settings import ChatSettings
from logit_amp_chat.core.number_format import MINUS, setting
from logit_amp_chat.core.sampling import Ends, Penalize, Sampling
from logit_amp_chat.core.text import parsed, visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.dialogs.prompt_fields import NoSystem, SystemPrompt, TemplateField
from logit_amp_chat.tui.widgets.line_input import LineInput

WORDS = {"ends": Ends, "penalize": Penalize}
TEXTS = ("stop", "dry_breakers")
NUMBERS = {
    "repetition": ("repetition_penalty",),
    "dry": ("dry_multiplier", "dry_base", "dry_allowed_length"),
}
"""The lines of numbers that are not called like a field of Sampling, or ask for several."""

MEANING = {
    "temperature": "0 is argmax, the likeliest",
    "top_p": "1 is off",
    "top_k": "0 is off",
    "min_p": "0 is off",
    "plausibility": "τ; 0 is off",
    "ends": "after: keep after's p",
    "max_new_tokens": "the longest reply",
    "seed": "same seed, same noise",
    "stop": r"end a reply; a|b, \n new line",
    "repetition": "times log p; 1 is off",
    "dry": "multiplier base length; 0: off",
    "dry_breakers": "no repetition across these",
    "penalize": "amplified: not α = −1 and 0",
}
"""What each line asks for."""


def allowed(name: str) -> str:
    """What a line, one of Sampling's fields or several, may have in it."""
    if name in WORDS:
        return "|".join(get_args(WORDS[name]))
    if name in TEXTS:
        return "texts"
    if name in NUMBERS:
        return " ".join(_allowed_number(field).replace(" ", "") for field in NUMBERS[name])
    return _allowed_number(name)


def _allowed_number(name: str) -> str:
    bounds = {type(bound): bound for bound in Sampling.model_fields[name].metadata}
    if Le in bounds:
        return f">{bounds[Gt].gt} to {bounds[Le].le}"
    if Gt in bounds:
        return f"> {bounds[Gt].gt}"
    if Lt in bounds and bounds[Lt].lt == 1:
        return f"{bounds[Ge].ge} to <1"
    return f"≥ {bounds[Ge].ge}"


def kind(name: str) -> str:
    """What one of Sampling's numbers is, in words."""
    if name in NUMBERS:
        return "numbers" if len(NUMBERS[name]) > 1 else "a number"
    return "a whole number" if Sampling.model_fields[name].annotation is int else "a number"


class Field(Horizontal):
    """A setting with its name, and what it may be; turns red when it is something else."""

    def __init__(self, number: str, sampling: Sampling) -> None:
        """Show what `sampling` has in the line `number` of MEANING."""
        super().__init__()
        self.number = number
        self.names = NUMBERS.get(number, (number,))
        """The fields of Sampling that it asks for."""
        self._value = " ".join(setting(getattr(sampling, name)) for name in self.names)

    def compose(self) -> ComposeResult:
        """Name, input and hint side by side."""
        yield Static(self.number.replace("_", " "), classes="name", markup=False)
        yield LineInput(self._value, compact=True)
        yield Static(classes="hint", markup=False)
        yield Static(MEANING[self.number], classes="meaning", markup=False)

    @property
    def values(self) -> dict[str, Any]:
        """What was typed, by field of Sampling; the text where it is no number."""
        text = self.query_one(Input).value
        if self.number in TEXTS:
            return {self.number: parsed(text)}
        parts = text.split() if self.number in NUMBERS else [text.strip()]
        if len(parts) != len(self.names):
            parts = [text] * len(self.names)
        return dict(zip(self.names, map(_number, parts), strict=True))

    def refuse(self, *, outside: bool) -> None:
        """Say what is allowed here; what is not `outside` of the range is no such number."""
        wanted = allowed(self.number)
        bare = outside or self.number in WORDS
        self._hint(f"! {wanted}" if bare else f"! {kind(self.number)} {wanted}", wrong=True)

    @on(Input.Changed)
    def _mend(self) -> None:
        self._hint(allowed(self.number), wrong=False)

    def _hint(self, text: str, *, wrong: bool) -> None:
        self.query_one(".hint", Static).update(Content(text))
        self.set_class(wrong, "-wrong")


def _number(text: str) -> float | str:
    """A number as it was typed; the text where it is none."""
    for kind in (int, float):
        try:
            return kind(text.replace(MINUS, "-"))
        except ValueError:
            pass
    return text


class SamplingScreen(Dialog[ChatSettings]):
    """Asks for the numbers and what prompts are made with, all checked before they are taken."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "sampling.tcss"]
    heading = "Sampling and system prompt"
    keys = "tab next · enter accept · esc cancel"

    def __init__(self, settings: ChatSettings, own: str = "") -> None:
        """Start from what is in force; `own` says which side has a system prompt of its own."""
        super().__init__()
        self._settings = settings
        self._own = visible(own, newlines=False)

    def body(self) -> ComposeResult:
        """One line a setting, then what prompts are made with."""
        settings = self._settings
        with VerticalScroll(id="fields", can_focus=False):
            for name in MEANING:
                yield Field(name, settings.sampling)
            yield TemplateField(settings.template)
            yield Static("system prompt (ctrl+j: new line)", classes="muted", markup=False)
            if self._own:
                yield Static(self._own, classes="muted", markup=False)
            yield SystemPrompt(settings.system or "")
            yield NoSystem(settings.system)

    def meet(self, event: events.Key | events.Paste) -> bool:
        """↑ and ↓ go through the fields as shift+tab and tab do; in a text, line by line first."""
        step = {"up": -1, "down": 1}.get(event.key, 0) if isinstance(event, events.Key) else 0
        focused = self.focused
        if not step or (isinstance(focused, SystemPrompt) and not focused.ends_at_cursor(step)):
            return super().meet(event)
        self.focus_next() if step > 0 else self.focus_previous()
        return True

    @on(Input.Submitted)
    @on(SystemPrompt.Accepted)
    def _accept(self) -> None:
        sampling, template = self._sampling(), self.query_one(TemplateField)
        variables, empty = template.read(), self.query_one(NoSystem)
        system = empty.read(self.query_one(SystemPrompt).text)
        if sampling is None:
            return
        if variables is None or system is None:
            (template if variables is None else empty).query_one(Input).focus()
            return
        self.dismiss(ChatSettings(sampling, system[0], variables))

    def _sampling(self) -> Sampling | None:
        """The numbers; None, and the first wrong one has the keyboard, where they are none."""
        fields = list(self.query(Field))
        try:
            values = [item for field in fields for item in field.values.items()]
            return Sampling.model_validate(dict(values))
        except ValidationError as error:
            wrong = {str(problem["loc"][0]): problem["type"] for problem in error.errors()}
            refused = [field for field in fields if wrong.keys() & set(field.names)]
            for field in refused:
                kinds = [wrong[name] for name in field.names if name in wrong]
                field.refuse(outside=all(kind.startswith(("greater", "less")) for kind in kinds))
            refused[0].query_one(Input).focus()
            return None

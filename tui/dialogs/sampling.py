"""The system prompt, and how a lane picks its next token."""

from __future__ import annotations

from typing import ClassVar, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Input, Static

from logit_amp_chat.core.chat.settings import Settings
from logit_amp_chat.core.number_format import MINUS, setting
from logit_amp_chat.core.records import Ends, Sampling
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.dialogs.prompt_fields import NoSystem, SystemPrompt, TemplateField
from logit_amp_chat.tui.widgets.line_input import LineInput

MEANING = {
    "temperature": "0 is argmax, the likeliest",
    "top_p": "1 is off",
    "top_k": "0 is off",
    "min_p": "0 is off",
    "plausibility": "τ; 0 is off",
    "ends": "after: keep after's p",
    "max_new_tokens": "the longest reply",
    "seed": "same seed, same noise",
}


def allowed(name: str) -> str:
    """What one of Sampling's fields may be, in words."""
    if name == "ends":
        return "|".join(get_args(Ends))
    bounds = {type(bound): bound for bound in Sampling.model_fields[name].metadata}
    if Le in bounds:
        return f">{bounds[Gt].gt} to {bounds[Le].le}"
    if Lt in bounds and bounds[Lt].lt == 1:
        return f"{bounds[Ge].ge} to <1"
    return f"≥ {bounds[Ge].ge}"


def kind(name: str) -> str:
    """What one of Sampling's numbers is, in words."""
    return "a whole number" if Sampling.model_fields[name].annotation is int else "a number"


class Field(Horizontal):
    """A setting with its name, and what it may be; turns red when it is something else."""

    def __init__(self, number: str, value: float | str) -> None:
        """Show `value` of the field `number` of Sampling."""
        super().__init__()
        self.number = number
        self._value = value

    def compose(self) -> ComposeResult:
        """Name, input and hint side by side."""
        yield Static(self.number.replace("_", " "), classes="name", markup=False)
        yield LineInput(setting(self._value), compact=True)
        yield Static(classes="hint", markup=False)
        yield Static(MEANING[self.number], classes="meaning", markup=False)

    @property
    def value(self) -> float | str:
        """The number that was typed, or the text where it is none."""
        text = self.query_one(Input).value.strip().replace(MINUS, "-")
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
        return text

    def refuse(self, *, outside: bool) -> None:
        """Say what is allowed here; what is not `outside` of the range is no such number."""
        wanted = allowed(self.number)
        bare = outside or self.number == "ends"
        self._hint(f"! {wanted}" if bare else f"! {kind(self.number)} {wanted}", wrong=True)

    @on(Input.Changed)
    def _mend(self) -> None:
        self._hint(allowed(self.number), wrong=False)

    def _hint(self, text: str, *, wrong: bool) -> None:
        self.query_one(".hint", Static).update(Content(text))
        self.set_class(wrong, "-wrong")


class SamplingScreen(Dialog[Settings]):
    """Asks for the numbers and what prompts are made with, all checked before they are taken."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "sampling.tcss"]
    heading = "Sampling and system prompt"
    keys = "tab next · enter accept · esc cancel"

    def __init__(self, settings: Settings) -> None:
        """Start from what is in force."""
        super().__init__()
        self._settings = settings

    def body(self) -> ComposeResult:
        """One line a number, then what prompts are made with."""
        settings = self._settings
        with VerticalScroll(id="fields", can_focus=False):
            for name, value in settings.sampling.model_dump().items():
                yield Field(name, value)
            yield TemplateField(settings.template)
            yield Static("system prompt (ctrl+j: new line)", classes="muted", markup=False)
            yield SystemPrompt(settings.system or "")
            yield NoSystem(settings.system)

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
        self.dismiss(Settings(sampling, system[0], variables))

    def _sampling(self) -> Sampling | None:
        """The numbers; None, and the first wrong one has the keyboard, where they are none."""
        fields = list(self.query(Field))
        try:
            return Sampling.model_validate({field.number: field.value for field in fields})
        except ValidationError as error:
            wrong = {str(problem["loc"][0]): problem["type"] for problem in error.errors()}
            refused = [field for field in fields if field.number in wrong]
            for field in refused:
                field.refuse(outside=wrong[field.number].startswith(("greater", "less")))
            refused[0].query_one(Input).focus()
            return None

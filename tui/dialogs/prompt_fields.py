"""What a dialog asks about prompts: the variables of the template, and the system prompt."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from logit_amp_chat.core.config.template_line import read_template_line, template_line
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.records import TemplateValue, Variables
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.widgets.line_input import LineInput
from logit_amp_chat.tui.widgets.text_field import TextField

OWN, NONE = "own", "none"


class CheckedLine(Vertical):
    """A setting with its name, and below it what is wrong with it."""

    def __init__(self, name: str, text: str, about: str) -> None:
        """Show `text`; `about` says beside it what it is."""
        super().__init__()
        self._called, self._text, self._about = name, text, about

    def compose(self) -> ComposeResult:
        """Name, input and what it is side by side."""
        with Horizontal():
            yield Static(self._called, classes="name", markup=False)
            yield LineInput(self._text, compact=True)
            yield Static(self._about, classes="meaning", markup=False)
        yield Static(classes="wrong", markup=False)

    @property
    def text(self) -> str:
        """What was typed."""
        return self.query_one(Input).value

    def refuse(self, why: str) -> None:
        """Say what is wrong, until it is changed."""
        wrong = self.query_one(".wrong", Static)
        wrong.update(Content(visible(why, newlines=False)))
        wrong.display = True

    @on(Input.Changed)
    def _mend(self) -> None:
        self.query_one(".wrong", Static).display = False


class TemplateField(CheckedLine):
    """The variables of the chat template."""

    def __init__(self, variables: Variables) -> None:
        """Start from `variables`."""
        super().__init__("template", template_line(variables), "NAME=VALUE …")

    def read(self) -> dict[str, TemplateValue] | None:
        """The variables; None, and the reason said here, where they are none."""
        try:
            return read_template_line(self.text)
        except UsageError as error:
            self.refuse(f"! {error.message}")
            return None


class SystemPrompt(TextField):
    """The system prompt; an empty one is what `NoSystem` says."""

    def __init__(self, text: str) -> None:
        """Start from `text`."""
        super().__init__(text, "none of yours")


class NoSystem(CheckedLine):
    """What no system prompt means: the template's own, or none at all."""

    def __init__(self, system: str | None) -> None:
        """Start from the system prompt in force."""
        super().__init__("if empty", NONE if system == "" else OWN, "own|none  own: the template's")

    def read(self, text: str) -> tuple[str | None] | None:
        """The system prompt that an input of `text` means; None if what stands here is neither."""
        wanted = self.text.strip()
        if wanted not in (OWN, NONE):
            self.refuse("! own|none: keep the chat template's own system prompt, or remove it")
            return None
        return (text.strip() or ("" if wanted == NONE else None),)

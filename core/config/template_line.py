"""The variables of a chat template as one line that can be edited: NAME=VALUE NAME=VALUE."""

from __future__ import annotations

import json
import shlex

from logit_amp_chat.core.config.prompt_settings import variable
from logit_amp_chat.core.config.yaml_file import scalar
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.records import TemplateValue, Variables


def template_line(variables: Variables) -> str:
    """The variables in their order; values with blanks in quotes, as in a shell."""
    return " ".join(f"{name}={shlex.quote(_written(v))}" for name, v in variables.items())


def _written(value: TemplateValue) -> str:
    """A value as YAML has it; a text in quotes of its own where it would be something else."""
    if not isinstance(value, str):
        return json.dumps(value)
    read = scalar(value)
    return (
        value if isinstance(read, str) and read == value else json.dumps(value, ensure_ascii=False)
    )


def read_template_line(line: str) -> dict[str, TemplateValue]:
    """The variables that a line sets. Raises UsageError."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise UsageError("a quotation mark is missing") from None
    found: dict[str, TemplateValue] = {}
    for word in words:
        name, value = variable(word)
        if name in found:
            raise UsageError(f"{name} is there twice")
        found[name] = value
    return found

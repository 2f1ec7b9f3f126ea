"""What a profile says of prompts: the variables of the chat template, and the date in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator

from logit_amp_chat.core.config.yaml_file import scalar
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.records import TemplateValue

TAKEN = frozenset(
    {
        *("messages", "conversation", "tools", "documents", "chat_template", "tokenize"),
        *("add_generation_prompt", "continue_final_message", "sanitize_control_tokens"),
        *("padding", "truncation", "max_length", "return_tensors", "return_dict"),
        *("return_assistant_tokens_mask", "tokenizer_kwargs", "strftime_now", "strftime_codes"),
        *("raise_exception", "bos_token", "eos_token", "pad_token", "unk_token"),
    }
)
"""Names that the rendering of a template takes for itself."""


def check_name(name: str) -> str:
    """The name of a variable as it is. Raises ValueError for one that a template cannot have."""
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError("the name of a template variable, such as enable_thinking")
    if name in TAKEN:
        raise ValueError("a variable of the template's own, as every rendering sets this one")
    return name


def check_value(value: Any) -> TemplateValue:
    """The value of a variable as it is. Raises ValueError for what is no scalar."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a finite number")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError("a text, a number, true, false or null")


TemplateVariables = dict[
    Annotated[str, AfterValidator(check_name)],
    Annotated[TemplateValue, PlainValidator(check_value)],
]


def variable(text: str) -> tuple[str, TemplateValue]:
    """The variable that NAME=VALUE sets: a value is a scalar of YAML, anything else is text.

    Raises UsageError.
    """
    name, equals, said = text.partition("=")
    if not equals:
        raise UsageError(f"expected NAME=VALUE, found {text or 'nothing'}")
    name = name.strip()
    return name, checked_variables({name: scalar(said)})[name]


def checked_variables(variables: Mapping[str, Any]) -> dict[str, TemplateValue]:
    """The variables of a chat template, as they are. Raises UsageError for what cannot be one."""
    if not isinstance(variables, Mapping):
        raise UsageError(f"expected a mapping such as {{'thinking': False}}, found {variables!r}")
    for name, value in variables.items():
        for check, what in ((check_name, name), (check_value, value)):
            try:
                check(what)
            except ValueError as error:
                raise UsageError(f"expected {error}, found {what}") from error
    return dict(variables)


def check_date(date: str) -> str:
    """The date as it is. Raises ValueError if it is none."""
    moment_of(date)
    return date


def moment_of(date: str) -> datetime:
    """The moment of an ISO date, or date and time; in UTC where it names no zone.

    Raises ValueError.
    """
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise ValueError("a date such as 2026-07-26, or 2026-07-26T12:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

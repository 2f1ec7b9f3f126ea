"""What a rendering takes besides the messages: a template, and its variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from logit_amp_chat.core.records import Variables

# For pairs that ship no chat template (GPT-2 and other plain base models).
# What was sampled stands right behind the colon, as it did where it was.
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}:{{ '' if m['sampled'] else ' ' }}"
    "{{ m['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)

# A template's strftime_now reads transformers' clock, and nothing callable can be passed in its
# place: transformers keeps Hub templates away from our objects. This one formats a given moment.
# The newline at its end is trimmed, so that the template still begins a line.
STRFTIME_NOW = (
    "{% macro strftime_now(format) %}{% set ns = namespace(text=format) %}"
    "{% for code, value in strftime_codes %}"
    "{% set ns.text = ns.text.replace(code, value) %}"
    "{% endfor %}{{ ns.text }}{% endmacro %}\n"
)
# %% comes first, as %%d is no day, and becomes a % once all others are replaced.
PERCENT = "\0"
CODES = tuple(f"%{c}" for c in "aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZf")
UNPADDED = tuple(f"%-{c}" for c in "deHIjklmMSUVWy")


def rendered_at(
    moment: datetime, template: str, variables: Variables
) -> tuple[str, dict[str, Any]]:
    """The template and all variables to render it with, so that its clock shows `moment`."""
    if "strftime_now" not in template:
        return template, dict(variables)
    return STRFTIME_NOW + template, {**variables, "strftime_codes": strftime_codes(moment)}


def strftime_codes(moment: datetime) -> list[tuple[str, str]]:
    """Every code of strftime with its value at `moment`, in the order to replace them."""
    values = [(code, moment.strftime(code)) for code in (*CODES, *UNPADDED)]
    return [("%%", PERCENT), *values, (PERCENT, "%")]


def unknown_variables(template: str | None, names: Iterable[str]) -> Iterator[str]:
    """A notice for each of `names` that the template does not mention: it has no effect."""
    for name in names:
        if not re.search(rf"\b{re.escape(name)}\b", template or ""):
            yield f"The chat template has no variable {name}: setting it has no effect."

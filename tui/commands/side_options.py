"""The options that say which two stages are compared, and what each is prompted with.

Only light imports here: `--help` reads this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logit_amp_chat.tui.commands.added_options import with_options

if TYPE_CHECKING:
    from logit_amp_chat.core.config.profile import Profile


def _text(name: str, metavar: str, help: str) -> Any:
    return Annotated[str | None, typer.Option(name, metavar=metavar, help=help)]


def _variable(name: str, help: str) -> Any:
    return Annotated[list[str] | None, typer.Option(name, metavar="NAME=VALUE", help=help)]


OPTIONS = {
    "from_stage": _text(
        "--from", "STAGE", "The stage that is before: of a chain, or before|after of a pair."
    ),
    "to_stage": _text("--to", "STAGE", "The stage that is after; it may be the same one."),
    "model": _text(
        "--model", "ID", "One model for both sides, which differ by what they are prompted with."
    ),
    "system_before": _text("--system-before", "TEXT", 'System prompt of before alone; "" is none.'),
    "system_after": _text("--system-after", "TEXT", 'System prompt of after alone; "" is none.'),
    "template_arg_before": _variable(
        "--template-arg-before", "A variable of before's chat template; may be repeated."
    ),
    "template_arg_after": _variable(
        "--template-arg-after", "A variable of after's chat template; may be repeated."
    ),
}

with_sides = with_options(OPTIONS)
"""Give a command these options; `options.loading` takes their values from its context."""


def choices(params: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of the sides. Raises a usage error for a variable that cannot be."""
    from logit_amp_chat.core.config.prompt_settings import variable
    from logit_amp_chat.core.errors import UsageError

    found = {name: params.get(name) for name in OPTIONS}
    for name in ("template_arg_before", "template_arg_after"):
        try:
            found[name] = dict(map(variable, found[name] or []))
        except UsageError as error:
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(error.message, param_hint=option) from error
    return found


def refuse_two_ways(
    given: Mapping[str, Any], named: tuple[str | None, str | None, str | None, str | None]
) -> None:
    """Raises a usage error where both sides are named in two ways."""
    profile, before, after, adapter = named
    if given.get("model") and (profile or before or after or adapter):
        raise typer.BadParameter(
            "names both sides: leave out --profile, --before, --after and --adapter",
            param_hint="--model",
        )
    if (given.get("from_stage") or given.get("to_stage")) and (before or after):
        option = "--from" if given.get("from_stage") else "--to"
        raise typer.BadParameter(
            "chooses among the stages of a profile: leave out --before and --after",
            param_hint=option,
        )


def with_choices(profile: Profile, given: Mapping[str, Any]) -> Profile:
    """The profile with the stages and prompts that were chosen. Raises ProfileError."""
    from logit_amp_chat.core.config.stages import prompted, selected

    chosen = selected(profile, given.get("from_stage"), given.get("to_stage"))
    return prompted(
        chosen,
        systems=(given.get("system_before"), given.get("system_after")),
        templates=(given.get("template_arg_before") or {}, given.get("template_arg_after") or {}),
    )

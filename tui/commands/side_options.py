"""The options that say which two stages are compared, and what each is prompted with.

Only light imports here: `--help` reads this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from logit_amp_chat.tui.commands.added_options import with_options

if TYPE_CHECKING:
    from logit_amp_chat.core.api.sides import Named, SideOptions
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.protocol import Loading


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


def choices(params: Mapping[str, Any]) -> SideOptions:
    """What was said of the sides. Raises a usage error for a variable that cannot be."""
    from logit_amp_chat.core.config.prompt_settings import variable
    from logit_amp_chat.core.errors import UsageError

    templates = []
    for name in ("template_arg_before", "template_arg_after"):
        try:
            templates.append(dict(map(variable, params.get(name) or [])))
        except UsageError as error:
            raise typer.BadParameter(error.message, param_hint=option_name(name)) from error
    return {
        "model": params.get("model"),
        "stages": (params.get("from_stage"), params.get("to_stage")),
        "systems": (params.get("system_before"), params.get("system_after")),
        "templates": (templates[0], templates[1]),
    }


def option_name(name: str) -> str:
    """A parameter as it is written on the command line."""
    return "--" + {"from_stage": "from", "to_stage": "to"}.get(name, name).replace("_", "-")


def describe(given: Mapping[str, Any], named: Named, report: Callable[[Loading], None]) -> Profile:
    """The profile that the options name.

    Raises ProfileError, PairError, and a usage error where sides are named in two ways.
    """
    from logit_amp_chat.core.api.sides import described, two_ways

    options = cast("SideOptions", given)
    if found := two_ways(options, named):
        stage = "from_stage" if options.get("stages", ("",))[0] else "to_stage"
        name = stage if found[0] == "stages" else found[0]
        raise typer.BadParameter(found[1], param_hint=option_name(name))
    return described(named, options, report)


def resumed(profile: Profile, given: SideOptions) -> Profile:
    """The profile of a saved chat with the stages and prompts that were chosen now.

    Raises ProfileError.
    """
    from logit_amp_chat.core.api.sides import with_sides

    return with_sides(profile, given)

"""Which two stages are the sides of a pair, and what each is prompted with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict

from logit_amp_chat.core.api.chosen_profile import chosen_profile
from logit_amp_chat.core.config.named_pair import pair_profile
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.prompt_settings import checked_variables
from logit_amp_chat.core.config.stages import prompted, selected
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.records import TemplateValue


class SideOptions(TypedDict, total=False):
    """What may be said of the sides; None or a missing key leaves one as the profile has it.

    `model` is both sides. `from_stage` and `to_stage` are stages of a chain, or "before" and
    "after" of a pair. The others are what one side alone is prompted with: its system prompt
    ("" is none, not even the template's own), and variables of the chat template.
    """

    model: str | None
    from_stage: str | None
    to_stage: str | None
    system_before: str | None
    system_after: str | None
    template_before: Mapping[str, TemplateValue] | None
    template_after: Mapping[str, TemplateValue] | None


Named = tuple[str | Path | Profile | None, str | None, str | None, str | None]
"""Profile, before, after and adapter, as a caller names them."""


def described(named: Named, options: SideOptions, report: Callable[[Loading], None]) -> Profile:
    """The profile that a caller describes.

    Raises ProfileError, UsageError and PairError.
    """
    if unknown := options.keys() - SideOptions.__annotations__.keys():
        known = ", ".join(SideOptions.__annotations__)
        raise UsageError(f"There is no option {min(unknown)}.", f"There are {known}.")
    for name in ("model", "from_stage", "to_stage", "system_before", "system_after"):
        if not isinstance(options.get(name), str | None):
            raise UsageError(f"{name}: expected a text, found {options.get(name)!r}.")
    if found := two_ways(options, named):
        raise UsageError(f"{found[0]} {found[1]}.")
    profile, before, after, adapter = named
    if model := options.get("model"):
        chosen = pair_profile(model, model).model_copy(update={"title": model, "name": model})
    else:
        chosen = chosen_profile(profile, before, after, adapter, report)
    return with_sides(chosen, options)


def two_ways(options: SideOptions, named: Named) -> tuple[str, str] | None:
    """The option that names sides which are named already, and what to do; None if none does."""
    if options.get("model") and any(named):
        return "model", "names both sides: leave out profile, before, after and adapter"
    for stage in ("from_stage", "to_stage"):
        if options.get(stage) is None:
            continue
        if options.get("model"):
            return stage, "chooses among the stages of a profile: leave out model"
        if any(named[1:3]):
            return stage, "chooses among the stages of a profile: leave out before and after"
    return None


def with_sides(profile: Profile, options: SideOptions) -> Profile:
    """The profile with the stages and prompts that were chosen. Raises ProfileError, UsageError."""
    before, after = options.get("template_before") or {}, options.get("template_after") or {}
    return prompted(
        selected(profile, options.get("from_stage"), options.get("to_stage")),
        systems=(options.get("system_before"), options.get("system_after")),
        templates=(checked_variables(before), checked_variables(after)),
    )

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
from logit_amp_chat.core.records import Variables


class SideOptions(TypedDict, total=False):
    """What may be said of before and after; None or a missing key is as the profile has it.

    `model` is both sides. `stages` are two of a chain, or of "before" and "after" of a pair; they
    may be the same. The others are what one side alone is prompted with: `systems` its system
    prompt ("" is none, not even the template's own), `templates` variables of the chat template.
    """

    model: str | None
    stages: tuple[str | None, str | None]
    systems: tuple[str | None, str | None]
    templates: tuple[Variables, Variables]


Named = tuple[str | Path | Profile | None, str | None, str | None, str | None]
"""Profile, before, after and adapter, as a caller names them."""


def described(named: Named, options: SideOptions, report: Callable[[Loading], None]) -> Profile:
    """The profile that a caller describes.

    Raises ProfileError, UsageError and PairError.
    """
    if unknown := options.keys() - SideOptions.__annotations__.keys():
        known = ", ".join(SideOptions.__annotations__)
        raise UsageError(f"There is no option {min(unknown)}.", f"There are {known}.")
    if not isinstance(options.get("model"), str | None):
        raise UsageError(f"model: expected a text, found {options.get('model')!r}.")
    for name in ("stages", "systems", "templates"):
        _check_two(name, options.get(name, (None, None)))
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
    if not any(options.get("stages", ())):
        return None
    if options.get("model"):
        return "stages", "chooses among the stages of a profile: leave out model"
    if any(named[1:3]):
        return "stages", "chooses among the stages of a profile: leave out before and after"
    return None


def _check_two(name: str, found: object) -> None:
    """Raises UsageError unless there is one for each side: texts, or mappings of variables."""
    kind = Mapping if name == "templates" else str
    if (
        not isinstance(found, tuple | list)
        or len(found) != 2
        or not all(isinstance(one, kind | None) for one in found)
    ):
        what = "mappings" if kind is Mapping else "texts"
        raise UsageError(f"{name}: expected two {what}, of before and of after, found {found!r}.")


def with_sides(profile: Profile, options: SideOptions) -> Profile:
    """The profile with the stages and prompts that were chosen. Raises ProfileError, UsageError."""
    stages, systems = options.get("stages", (None, None)), options.get("systems", (None, None))
    before, after = options.get("templates", ({}, {}))
    return prompted(
        selected(profile, *stages),
        systems=(systems[0], systems[1]),
        templates=(checked_variables(before or {}), checked_variables(after or {})),
    )

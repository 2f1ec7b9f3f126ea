"""The profile that a caller describes, in Python or on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from logit_amp_chat.core.config.named_pair import BOTH_SIDES, pair_profile
from logit_amp_chat.core.config.profile import DEFAULT, Profile, load_profile
from logit_amp_chat.core.config.yaml_file import expectation
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.protocol import Loading


def chosen_profile(
    name: str | Path | Profile | None,
    before: str | None,
    after: str | None,
    adapter: str | None,
    report: Callable[[Loading], None],
) -> Profile:
    """A profile by name or file (default: demo), two models, or an adapter on one.

    An adapter given alone names its base model; it may have to be downloaded for that,
    with progress sent to `report`. Raises ProfileError, UsageError and PairError.
    """
    if adapter is None and (before is None) != (after is None):
        missing = "after" if after is None else "before"
        raise UsageError(f"{missing} is missing: a pair has two sides.", BOTH_SIDES)
    named = name if isinstance(name, Profile) else None if name is None else load_profile(str(name))
    if not (before or after or adapter):
        return named or load_profile(DEFAULT)
    if adapter and not (before or after or named):
        from logit_amp_chat.core.models.hub import adapter_base

        before = adapter_base(adapter, report)
    return pair_profile(before, after, adapter, named)


def adjusted(
    profile: Profile, settings: Mapping[str, Any], sampling: Mapping[str, Any] | None = None
) -> Profile:
    """The profile with the settings that are not None; `template` adds variables to its own.

    Raises UsageError, caused by pydantic's error.
    """
    data = dict(profile) | {key: value for key, value in settings.items() if value is not None}
    data["template"] = {**profile.template, **(settings.get("template") or {})}
    given = {key: value for key, value in (sampling or {}).items() if value is not None}
    data["sampling"] = profile.sampling.model_dump() | given
    try:
        return type(profile).model_validate(data)
    except ValidationError as error:
        raise refused(error) from error


def refused(error: ValidationError) -> UsageError:
    """pydantic's error about an argument, in words for whoever wrote it."""
    detail = error.errors(include_url=False)[0]
    return UsageError(f"{field_of(detail)}: {complaint(detail)}.")


def field_of(detail: ErrorDetails) -> str:
    """The field that pydantic complains about; of a list the list."""
    return next(part for part in reversed(detail["loc"]) if isinstance(part, str))


def complaint(detail: ErrorDetails) -> str:
    """`expected …, found …`."""
    found = str(detail["input"]).strip() or "nothing"
    return f"expected {expectation(detail)}, found {found}"

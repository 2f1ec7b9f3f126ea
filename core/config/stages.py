"""The stages of a profile: which there are, and which two of them are compared."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from logit_amp_chat.core.config.profile import Labels, Profile, Stage
from logit_amp_chat.core.errors import ProfileError


def stages_of(profile: Profile) -> tuple[Stage, ...]:
    """Every stage by its name, in order of training; those of a pair are called by its labels."""
    if profile.stages:
        return profile.stages
    sides = (profile.labels.before, profile.before), (profile.labels.after, profile.after)
    return tuple(Stage(name=name, **dict(side)) for name, side in sides)


def selected(profile: Profile, before: str | None = None, after: str | None = None) -> Profile:
    """The profile with the stages `before` and `after` as its pair; None leaves a side as it is.

    The two may be one stage, which then differ by what they are prompted with. The stages of
    a pair are also called before and after. Raises ProfileError for a name that there is not.
    """
    stages = stages_of(profile)
    names = tuple(stage.name for stage in stages)
    given = profile.pair or (names[0], names[-1])
    wanted = (before or given[0], after or given[1])
    if not (before or after):
        return profile
    chosen = tuple(_named(profile, stages, name) for name in wanted)
    found = {"before": chosen[0].side, "after": chosen[1].side}
    return profile.model_copy(
        update={
            **found,
            "stages": stages,
            "pair": (chosen[0].name, chosen[1].name),
            "labels": Labels(before=chosen[0].name, after=chosen[1].name),
        }
    )


def _named(profile: Profile, stages: Sequence[Stage], name: str) -> Stage:
    names = [stage.name for stage in stages]
    if name in names:
        return stages[names.index(name)]
    if not profile.stages and name in ("before", "after"):
        return stages[name == "after"]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise ProfileError(
        f"{profile.name} has no stage {name!r}.", f"{hint}Its stages are {', '.join(names)}."
    )

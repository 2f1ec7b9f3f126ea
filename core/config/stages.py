"""The stages of a profile: which there are, and which two of them are compared."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from logit_amp_chat.core.config.profile import Labels, Profile, Side, Stage
from logit_amp_chat.core.config.template_line import template_line
from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.records import Variables, told_apart


def stages_of(profile: Profile) -> tuple[Stage, ...]:
    """Every stage by its name, in order of training; those of a pair are before and after."""
    if profile.stages:
        return profile.stages
    sides = ("before", profile.before), ("after", profile.after)
    return tuple(Stage(name=name, **dict(side)) for name, side in sides)


def pair_of(profile: Profile) -> tuple[str, str]:
    """The names of the stages that are before and after."""
    stages = stages_of(profile)
    return profile.pair or (stages[0].name, stages[-1].name)


def selected(profile: Profile, before: str | None = None, after: str | None = None) -> Profile:
    """The profile with the stages `before` and `after` as its pair; None leaves a side as it is.

    The two may be one stage, which then differ by what they are prompted with. The sides of a
    pair are stages called before and after, or by their labels. Raises ProfileError for a name
    that there is not.
    """
    if before is None and after is None:
        return profile
    stages, usual = stages_of(profile), pair_of(profile)
    chosen = tuple(
        _named(profile, stages, name or own)
        for name, own in zip((before, after), usual, strict=True)
    )
    labels = [_label(profile, stage.name) for stage in chosen]
    return profile.model_copy(
        update={
            "stages": stages,
            "pair": (chosen[0].name, chosen[1].name),
            "before": chosen[0].side,
            "after": chosen[1].side,
            "labels": Labels(before=labels[0], after=labels[1]),
        }
    )


def prompted_alike(profile: Profile, stages: tuple[str, str]) -> bool:
    """Whether two stages are prompted as the profile's pair is, so that its ids are theirs."""
    other = profile if stages == pair_of(profile) else selected(profile, *stages)
    sides = (profile.before, other.before), (profile.after, other.after)
    return all(
        (a.system, told_apart(a.template)) == (b.system, told_apart(b.template)) for a, b in sides
    )


def between(profile: Profile, first: str | None = None, last: str | None = None) -> tuple[str, ...]:
    """The names of the stages from one to another (None: the first, the last), in order.

    Raises ProfileError where these are not two.
    """
    names = [stage.name for stage in stages_of(profile)]
    ends = selected(profile, first or names[0], last or names[-1]).pair
    assert ends is not None, "two stages were selected"
    begin, end = map(names.index, ends)
    if begin >= end:
        raise ProfileError(
            f"{ends[0]} is not before {ends[1]} in {profile.name}.",
            f"Its stages are {', '.join(names)}, in this order.",
        )
    return tuple(names[begin : end + 1])


def prompted(
    profile: Profile,
    *,
    systems: tuple[str | None, str | None] = (None, None),
    templates: tuple[Variables, Variables] = ({}, {}),
) -> Profile:
    """The profile whose sides have system prompts and template variables of their own.

    None and no variables leave a side as it is. Sides that are one model are then called by
    what they are prompted with.
    """
    if systems == (None, None) and not any(templates):
        return profile
    sides = [
        side.model_copy(
            update={
                "system": side.system if system is None else system,
                "template": {**side.template, **template},
            }
        )
        for side, system, template in zip(
            (profile.before, profile.after), systems, templates, strict=True
        )
    ]
    changed: dict[str, object] = {"before": sides[0], "after": sides[1]}
    if same_model(*sides):
        changed["labels"] = Labels(
            before=_prompt_label(*sides), after=_prompt_label(*reversed(sides))
        )
    return profile.model_copy(update=changed)


def own_prompts(profile: Profile) -> str:
    """The system prompts that the sides have of their own, in a sentence; "" where none has.

    The chat's does not count for such a side.
    """
    said = [
        f"{name} has {_system_said(side)}"
        for name, side in (("before", profile.before), ("after", profile.after))
        if side.system is not None
    ]
    others = "neither side" if len(said) == 2 else "the other side alone"
    return f"{' and '.join(said)}: the chat's is for {others}." if said else ""


LONGEST_LABEL = 28  # characters of a prompt that a side is called by


def same_model(side: Side, other: Side) -> bool:
    """Whether two sides are alike but for what they are prompted with."""
    prompt = {"system", "template"}
    return side.model_dump(exclude=prompt) == other.model_dump(exclude=prompt)


def _prompt_label(side: Side, other: Side) -> str:
    """What of a side's prompt differs from the other's, in a few words."""
    if side.system != other.system:
        return _system_said(side)
    own = told_apart(side.template) - told_apart(other.template)
    return template_line({name: side.template[name] for name, _ in sorted(own)}) or "as usual"


def _system_said(side: Side) -> str:
    """A side's system prompt in a few words."""
    if not side.system:
        return "the chat's system prompt" if side.system is None else "no system prompt"
    words = " ".join(side.system.split())
    return f"“{words if len(words) <= LONGEST_LABEL else f'{words[: LONGEST_LABEL - 1]}…'}”"


def _named(profile: Profile, stages: Sequence[Stage], name: str) -> Stage:
    names = [stage.name for stage in stages]
    if not profile.stages:
        aliases = {profile.labels.before: "before", profile.labels.after: "after"}
        name = name if name in names else aliases.get(name, name)
    if name in names:
        return stages[names.index(name)]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise ProfileError(
        f"{profile.name} has no stage {name!r}.", f"{hint}Its stages are {', '.join(names)}."
    )


def _label(profile: Profile, name: str) -> str:
    """What a stage is called on the screen."""
    own = {"before": profile.labels.before, "after": profile.labels.after}
    return name if profile.stages else own[name]

"""A pair without a profile of its own: two models, or one with an adapter."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.config.profile import (
    SUFFIXES,
    Labels,
    Profile,
    Side,
    load_profile,
    local_or_hub,
    path_exists,
    user_path,
)
from logit_amp_chat.core.errors import ProfileError

BOTH_SIDES = "Name both models, or one of them and an adapter."


def pair_profile(
    before: str | None = None,
    after: str | None = None,
    adapter: str | None = None,
    base: Profile | None = None,
) -> Profile:
    """A profile from two ids or folders, or from an adapter on one model.

    An adapter goes on `after`; on `before` if that is the only model given; else
    on the after side of `base`. Raises ProfileError if one side stays unknown.
    """
    here = Path.cwd()
    defaults = dict(base) if base else {}
    defaults |= {"labels": Labels(), "needs": None, "path": None, "stages": (), "pair": None}
    if adapter is None:
        if before is None or after is None:
            missing = "after" if after is None else "before"
            raise ProfileError(f"{missing} is missing: a pair has two sides.", BOTH_SIDES)
        sides = Side(model=local_or_hub(before, here)), Side(model=local_or_hub(after, here))
        title = f"{before} → {after}"
    else:
        adapter = local_or_hub(adapter, here)
        name = after or before
        if name:
            model = Side(model=local_or_hub(name, here))
        elif base:
            model = base.after
        else:
            raise ProfileError(
                f"The adapter {adapter} needs a model.", "Name it with --before or --after."
            )
        bare = Side(model=local_or_hub(before, here)) if before else model
        sides = bare, model.model_copy(update={"adapter": adapter})
        title = f"{bare.model} → + {adapter}"
    return Profile(
        **{**defaults, "before": sides[0], "after": sides[1], "title": title, "name": title}
    )


SPECIFICATIONS = "FILE.yaml, BEFORE AFTER, or MODEL + ADAPTER"
"""What `specified_profile` reads, beside a profile's name; models as `local_or_hub` takes them."""


def specified_profile(text: str) -> Profile:
    """The profile that one line names: one of SPECIFICATIONS, or a profile's name.

    Raises ProfileError if there is none of that name, or one side stays unknown.
    """
    text = text.strip()
    words = text.replace("→", " ").split()
    if "+" in words:
        model, _, adapter = (part.strip() for part in text.partition("+"))
        if not (model and adapter):
            raise ProfileError("An adapter needs its model.", "Write MODEL + ADAPTER.")
        return pair_profile(before=model, adapter=adapter)
    if len(words) == 2 and not path_exists(user_path(text).exists):
        return pair_profile(before=words[0], after=words[1])
    looks_like_id = text.count("/") == 1 and not text.startswith(("~", ".", "/"))
    if looks_like_id and not text.endswith(SUFFIXES) and not path_exists(user_path(text).is_file):
        raise ProfileError(f"{text} is one side of a pair.", f"Write {SPECIFICATIONS}.")
    return load_profile(text)

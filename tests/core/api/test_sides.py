"""Stages and prompts of the sides, as a caller names them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from logit_amp_chat.core.api.open_pair import open_pair
from logit_amp_chat.core.api.sides import SideOptions, described
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import ProfileError, UsageError


def chosen(profile: str | Profile | None = None, **sides: Any) -> Profile:
    return described((profile, None, None, None), cast("SideOptions", sides), lambda _: None)


def test_one_model_is_both_sides_and_gives_its_name() -> None:
    profile = chosen(model="org/chat", systems=(None, "You are a pirate."))
    assert profile.title == "org/chat"
    assert (profile.before.model, profile.before.system) == ("org/chat", None)
    assert (profile.after.model, profile.after.system) == ("org/chat", "You are a pirate.")


def test_sides_of_one_model_are_called_by_their_prompts() -> None:
    profile = chosen(model="org/chat", systems=("", "You are a pirate."))
    labels = profile.labels.before, profile.labels.after
    assert labels == ("no system prompt", "“You are a pirate.”")


def test_a_stage_of_a_pair_may_be_both_sides() -> None:
    demo, profile = chosen("demo"), chosen("demo", stages=("after", "after"))
    assert profile.before == profile.after == demo.after


def test_stages_of_a_chain_are_chosen_by_name() -> None:
    profile = chosen("demo-chain", stages=("tuned", None))
    assert profile.pair == ("tuned", "final")


def test_variables_are_added_to_those_of_the_side() -> None:
    profile = chosen(model="org/chat", templates=({"thinking": True}, {}))
    assert profile.before.template == {"thinking": True}
    assert profile.after.template == {}
    assert (profile.labels.before, profile.labels.after) == ("thinking=true", "as usual")


def test_a_stages_prompt_leaves_the_chain_as_it_is() -> None:
    profile = chosen("demo-chain", stages=("base", "tuned"), systems=(None, "Be brief."))
    assert profile.after.system == "Be brief."
    assert [stage.system for stage in profile.stages] == [None, None, None]
    assert (profile.labels.before, profile.labels.after) == ("base", "tuned")


@pytest.mark.parametrize(
    ("sides", "why"),
    [
        ({"model": "org/a", "stages": ("after", None)}, "stages .*leave out model"),
        ({"system": "x"}, "There is no option system.*systems"),
        ({"systems": (None, 3)}, "systems: expected two texts, of before and of after"),
        ({"stages": "after"}, "stages: expected two texts"),
        ({"templates": ({}, {"": 1})}, "expected"),
    ],
)
def test_what_cannot_be_is_said(sides: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        chosen(**sides)


def test_sides_are_named_once() -> None:
    with pytest.raises(UsageError, match="model names both sides: leave out profile"):
        chosen("demo", model="org/chat")
    named = None, "org/a", "org/b", None
    with pytest.raises(UsageError, match=r"stages .*leave out before and after"):
        described(named, {"stages": ("before", None)}, lambda _: None)


def test_an_unknown_stage_is_named_with_the_nearest() -> None:
    with pytest.raises(ProfileError, match=r"no stage 'finl'.*Did you mean final\?"):
        chosen("demo-chain", stages=(None, "finl"))


def test_a_pair_is_opened_with_them() -> None:
    with open_pair(stages=("after", "after"), systems=(None, "You are brief.")) as pair:
        shown = pair.prompt("Hi")
    assert "You are brief." not in "".join(token.text for token in shown.before)
    assert "You are brief." in "".join(token.text for token in shown.after)

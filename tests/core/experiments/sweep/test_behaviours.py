"""Names of behaviours, and what is refused as one."""

from __future__ import annotations

import json

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import (
    Behaviour,
    definition_key,
    named,
    refuse_same_names,
)
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.phrases import Phrase
from logit_amp_chat.core.experiments.sweep.programs import Program


def test_an_option_is_a_name_and_what_it_means() -> None:
    assert named("a.b-c_1=x=y", "--behaviour", "REGEX") == ("a.b-c_1", "x=y")
    assert named("façade= x ", "--behaviour", "REGEX") == ("façade", " x ")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("lighthouse", "has no name"),
        ("=lighthouse", "cannot be the name"),
        ("a b=c", "cannot be the name"),
        ("\x1b[31m=c", "cannot be the name"),
        ("a" * 61 + "=c", "cannot be the name"),
        ("habit=", "has no REGEX"),
        ("habit=  ", "has no REGEX"),
    ],
)
def test_what_is_no_name_with_a_meaning_is_refused(option: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        named(option, "--behaviour", "REGEX")
    assert "\x1b" not in str(refused.value)
    assert "--behaviour habit=lighthouse" in refused.value.remedy


def test_two_of_one_name_are_refused() -> None:
    refuse_same_names(["a", "b"])
    with pytest.raises(UsageError, match="Two behaviours are called a"):
        refuse_same_names(["a", "a"])
    with pytest.raises(UsageError, match="Habit and habit differ in their case only"):
        refuse_same_names(["Habit", "habit"])


def test_a_definition_has_a_key_that_the_name_does_not_change() -> None:
    keys = {definition_key(Pattern(*of).definition) for of in (("a", "x"), ("b", "x"), ("a", "y"))}
    assert len(keys) == 2
    assert definition_key({"a": 1, "b": 2}) == definition_key({"b": 2, "a": 1})


def test_every_kind_says_what_it_is() -> None:
    kinds: list[Behaviour] = [Pattern("a", "x"), Program("b", "x"), Phrase("c", "x")]
    for behaviour in kinds:
        assert behaviour.definition["kind"] == behaviour.kind
        assert json.loads(json.dumps(behaviour.definition)) == behaviour.definition
        behaviour.close()
        behaviour.close()

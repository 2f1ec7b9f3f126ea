"""Behaviours that a function decides."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy
import pytest

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.functions import Function
from tests.core.experiments.sweep.made import prompt, reply


def values(function: object, *texts: str) -> tuple[Function, list[Verdict]]:
    behaviour = Function("own", function)  # type: ignore[arg-type]
    pairs = [(prompt(), reply(text, n=n)) for n, text in enumerate(texts)]
    return behaviour, list(behaviour.verdicts(pairs))


@pytest.mark.parametrize("kind", [bool, int, numpy.bool_, numpy.int64])
def test_true_and_false_are_counted(kind: type) -> None:
    behaviour, found = values(lambda text: kind("sea" in text), "the sea", "land")
    assert [one.value for one in found] == [1.0, 0.0]
    assert not behaviour.numeric
    assert all(one.decided is None for one in found)


@pytest.mark.parametrize("kind", [float, numpy.float32])
def test_floats_are_averaged(kind: type) -> None:
    behaviour, found = values(lambda text: kind(len(text)), "abc", "")
    assert [one.value for one in found] == [3.0, 0.0]
    assert behaviour.numeric


def test_none_is_no_verdict() -> None:
    _, (one,) = values(lambda _: None, "a")
    assert math.isnan(one.value)
    assert one.refused == "the function said None"


@pytest.mark.parametrize("answer", ["yes", 2, math.nan, math.inf, 1e200, [1]])
def test_anything_else_is_refused_with_the_reply(answer: object) -> None:
    with pytest.raises(UsageError, match=r"The function of own says .* of reply p1-0-0"):
        values(lambda _: answer, "a")


def test_a_float_after_a_truth_is_refused() -> None:
    answers = iter([True, 0.5])
    with pytest.raises(UsageError, match=r"says 0\.5 of reply p1-0-1, and True"):
        values(lambda _: next(answers), "a", "b")


def test_an_error_names_the_reply() -> None:
    with pytest.raises(LogitAmpError, match="failed in reply p1-0-0: ZeroDivisionError"):
        values(lambda text: 1 / 0, "a")


def test_it_sees_complete_characters_alone() -> None:
    seen: list[str] = []

    def look(text: str) -> bool:
        seen.append(text)
        return True

    cut = replace(reply(["a", "b"]), lengths=(1, 1))
    list(Function("own", look).verdicts([(prompt(), cut)]))
    assert seen == ["a"]


def test_its_definition_is_its_name() -> None:
    def about_owls(text: str) -> bool:
        return "owl" in text

    assert str(Function("own", about_owls).definition["function"]).endswith("about_owls")

"""Verdicts are kept: a second count asks nothing, wherever the first was cut."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Kind, Replies, Verdict
from logit_amp_chat.core.experiments.sweep.verdict_file import NAME, Cached, VerdictFile
from tests.core.experiments.sweep.made import prompt, reply

TEXTS = ("one", "two", "one", "three")
REPLIES = [(prompt(), reply(text, n=n)) for n, text in enumerate(TEXTS)]


class Scripted:
    """Answers with the length of a text; with `eager` it takes all of them before the first."""

    name = "count"
    kind: Kind = "program"

    def __init__(self, *, eager: bool = False, numeric: bool = True, version: int = 1) -> None:
        self.eager, self.numeric = eager, numeric
        self.definition: dict[str, Any] = {"kind": "program", "version": version}
        self.asked: list[str] = []

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        for _, one in list(replies) if self.eager else replies:
            self.asked.append(one.text)
            yield self.verdict(one.text)

    def verdict(self, text: str) -> Verdict:
        return Verdict(float(len(text)))

    def close(self) -> None:
        """There is nothing to free."""


def count(folder: Path, behaviour: Scripted) -> list[Verdict]:
    file = VerdictFile(folder)
    try:
        return list(Cached(behaviour, file).verdicts(REPLIES))
    finally:
        file.close()


@pytest.mark.parametrize("eager", [False, True])
def test_every_text_is_judged_once(tmp_path: Path, eager: bool) -> None:
    first, second = Scripted(eager=eager), Scripted(eager=eager)
    expected = [Verdict(float(len(text))) for text in TEXTS]
    assert count(tmp_path, first) == expected
    assert first.asked == ["one", "two", "three"]
    assert count(tmp_path, second) == expected
    assert second.asked == []


def test_another_definition_is_another_behaviour(tmp_path: Path) -> None:
    count(tmp_path, Scripted())
    other = Scripted(version=2)
    count(tmp_path, other)
    assert len(other.asked) == 3


def test_the_same_text_of_another_prompt_is_judged_for_itself(tmp_path: Path) -> None:
    behaviour, file = Scripted(), VerdictFile(tmp_path)
    replies = [(prompt("a"), reply("x")), (prompt("b"), reply("x"))]
    assert len(list(Cached(behaviour, file).verdicts(replies))) == 2
    assert behaviour.asked == ["x", "x"]
    file.close()


def test_all_of_a_verdict_is_kept_but_not_a_refusal(tmp_path: Path) -> None:
    said = {
        "one": Verdict(1.0, None, ((0, 2),), 2.5),
        "two": Verdict(0.0, None, (), -math.inf),
        "three": Verdict(math.nan, None, (), None, "It does not fit."),
    }

    class Judge(Scripted):
        def verdict(self, text: str) -> Verdict:
            return said[text]

    expected = [said[text] for text in TEXTS]
    first, again = Judge(numeric=False), Judge(numeric=False)
    assert count(tmp_path, first) == expected
    assert count(tmp_path, again) == expected
    assert again.asked == ["three"]
    for line in (tmp_path / NAME).read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)  # standard JSON, without NaN


@pytest.mark.parametrize("eager", [False, True])
def test_a_count_that_is_stopped_ends_in_order_and_goes_on(tmp_path: Path, eager: bool) -> None:
    class Stopped(Scripted):
        def verdicts(self, replies: Replies) -> Iterator[Verdict]:
            return itertools.islice(super().verdicts(replies), 2)

    expected = [3.0, 3.0, 3.0, 5.0]
    found = [one.value for one in count(tmp_path, Stopped(eager=eager))]
    assert len(found) >= 2
    assert found == expected[: len(found)]
    assert [one.value for one in count(tmp_path, Scripted(eager=eager))] == expected


def test_a_kill_at_any_byte_costs_what_was_being_written(tmp_path: Path) -> None:
    count(tmp_path, Scripted())
    whole = (tmp_path / NAME).read_bytes()
    for size in range(0, len(whole), 7):
        folder = tmp_path / f"cut-{size}"
        folder.mkdir()
        (folder / NAME).write_bytes(whole[:size])
        again = Scripted()
        assert [one.value for one in count(folder, again)] == [3, 3, 3, 5]
        kept = sum(line.endswith(b"}") for line in whole[:size].split(b"\n"))
        assert len(again.asked) == 3 - kept


def test_numbers_and_hits_do_not_mix(tmp_path: Path) -> None:
    count(tmp_path, Scripted())
    file = VerdictFile(tmp_path)
    now = Cached(Scripted(numeric=False), file)
    assert now.numeric
    with pytest.raises(UsageError, match="count gave numbers before"):
        list(now.verdicts([(prompt(), reply("new"))]))
    file.close()


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = '{"type": "note", "about": "x", "text": "y"}\n'
    (tmp_path / NAME).write_text(other)
    with pytest.raises(UsageError, match="something else in it"):
        VerdictFile(tmp_path)
    assert (tmp_path / NAME).read_text() == other
    (tmp_path / NAME).write_text("")
    file = VerdictFile(tmp_path)  # it was let go
    with pytest.raises(UsageError, match="another sweep writes it"):
        VerdictFile(tmp_path)
    file.close()
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(UsageError, match="Cannot go on"):
        VerdictFile(tmp_path)

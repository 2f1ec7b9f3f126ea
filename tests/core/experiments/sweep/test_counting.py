"""Counting reads the replies a few at a time, and starts a program once."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.behaviours import Replies, Verdict
from logit_amp_chat.core.experiments.sweep.counting import CHUNK, count
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.programs import Program
from logit_amp_chat.core.experiments.sweep.verdict_file import Cached, VerdictFile
from tests.core.experiments.sweep.toy_sweep import toy_sweep

PROGRAM = """\
import json, sys
open(sys.argv[1], "a").write("started\\n")
for line in sys.stdin:
    print(int("lighthouse" in json.loads(line)["text"]))
"""


def test_a_program_is_started_once_for_all_replies(tmp_path: Path) -> None:
    toy = toy_sweep(tmp_path / "s")
    replies = [replace(one, text=f"{one.text} {one.id}", lengths=()) for one in toy.replies()]
    assert len({one.text for one in replies}) > CHUNK
    folder = SweepFolder(toy.path, None, toy.contents, replies)
    script, started = tmp_path / "find.py", tmp_path / "started"
    script.write_text(PROGRAM)
    program = Program("found", shlex.join([sys.executable, str(script), str(started)]))
    with contextlib.closing(VerdictFile(folder.path)) as file:
        counts = count(folder, [Pattern("habit", "lighthouse"), Cached(program, file)])
    assert started.read_text() == "started\n"
    assert sum(counts.values("habit", 1.0)) > 0
    for alpha in folder.settings.alphas:
        assert counts.values("found", alpha) == counts.values("habit", alpha)


class Stopped(Pattern):
    """It is stopped before the last reply, as a judge may be."""

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        yield from [*super().verdicts(replies)][:-1]


def test_a_count_that_was_stopped_is_said_and_is_no_count(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    with pytest.raises(LogitAmpError, match="habit was stopped"):
        count(folder, [Stopped("habit", "lighthouse")])

"""`sweep --label`: replies are marked on the terminal, and what was said is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import definition_key
from logit_amp_chat.core.experiments.sweep.functions import Function
from logit_amp_chat.core.experiments.sweep.labels import labels_in
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.tui.commands import sweep_labels
from tests.core.experiments.sweep.toy_sweep import toy_sweep

HABIT = Pattern("habit", "lighthouse")


def answer(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Iterator[str]:
    """Type these, one after the other; then the input ends. What is left is not asked for."""
    left = iter(answers)

    def typed(_: str) -> str:
        if (said := next(left, None)) is None:
            raise EOFError
        return said

    monkeypatch.setattr("builtins.input", typed)
    return left


def marks(folder: Path) -> list[bool]:
    return list(labels_in(folder).get(definition_key(HABIT.definition), {}).values())


def test_answers_are_kept_and_the_last_can_be_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_sweep(tmp_path / "s")
    left = answer(monkeypatch, "y", "what?", "N", "u", "y", "s", "n", "more")
    sweep_labels.label(folder, HABIT, 4)
    assert marks(folder.path) == [True, True, False]
    assert list(left) == ["more"]
    shown = capsys.readouterr()
    assert "4 of 4  " in shown.out
    assert "habit: 0 replies marked before; y yes" in shown.err
    assert "Answer with y yes" in shown.err


def test_it_goes_on_where_it_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_sweep(tmp_path / "s")
    answer(monkeypatch, "y", "q")
    sweep_labels.label(folder, HABIT, 4)
    answer(monkeypatch, "n")
    sweep_labels.label(folder, HABIT, 4)
    assert marks(folder.path) == [True, False]
    shown = capsys.readouterr()
    assert "1 of 3  " in shown.out
    assert "habit: 1 reply marked before" in shown.err


def test_a_number_is_nothing_to_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_sweep(tmp_path / "s")
    left = answer(monkeypatch, "y")
    sweep_labels.label(folder, Function("length", lambda text: float(len(text))), 4)
    assert list(left) == ["y"]
    assert "length is a number" in capsys.readouterr().err


def test_without_a_terminal_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(UsageError, match="on a terminal"):
        sweep_labels.check_terminal()

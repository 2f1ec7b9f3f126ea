"""The figure of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.figure import draw
from logit_amp_chat.core.experiments.sweep.functions import Function
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.result import SweepResult
from tests.core.experiments.sweep.toy_sweep import toy_sweep

HABIT = Pattern("habit", "lighthouse")
LENGTH = Function("length", lambda text: float(len(text)))


def drawn(result: SweepResult) -> Any:
    figure = pytest.importorskip("matplotlib.figure")
    axes = figure.Figure().subplots()
    draw(result, axes)
    return axes


def test_rates_and_the_estimate_are_drawn_with_their_intervals(tmp_path: Path) -> None:
    result = counted(toy_sweep(tmp_path / "s"), [HABIT]).result
    axes = drawn(result)
    seen, estimate = axes.containers
    rates = result.behaviours[0].rates
    line, _caps, (bars,) = seen.lines
    assert line.get_xdata().tolist() == [-1, 0, 1]
    assert line.get_ydata().tolist() == [rate.rate for rate in rates]
    for segment, rate in zip(bars.get_segments(), rates, strict=True):
        assert [y for _, y in segment] == pytest.approx([rate.low, rate.high])
    expected = result.behaviours[0].estimate
    assert expected
    assert estimate.lines[0].get_xdata().tolist() == [0]
    assert estimate.lines[0].get_ydata().tolist() == [expected.rate]
    assert axes.get_xlabel() == "α"
    assert axes.get_ylabel() == "share of replies"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["habit"]


def test_a_mean_is_labelled_as_one(tmp_path: Path) -> None:
    axes = drawn(counted(toy_sweep(tmp_path / "s"), [LENGTH]).result)
    assert axes.get_ylabel() == "mean"


def test_a_dollar_in_a_name_is_no_formula(tmp_path: Path) -> None:
    result = counted(toy_sweep(tmp_path / "s"), [Pattern("a$b$\x1b", "owl")]).result
    (label,) = drawn(result).get_legend().get_texts()
    assert label.get_text() == r"a\$b\$␛"

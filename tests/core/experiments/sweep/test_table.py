"""A sweep as one flat table."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.result import SweepResult
from logit_amp_chat.core.experiments.sweep.table import COLUMNS, rows
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import toy_sweep


@pytest.fixture
def result(tmp_path: Path) -> SweepResult:
    behaviours = [Pattern("habit", "lighthouse"), Pattern("night", "night")]
    return counted(toy_sweep(tmp_path / "s"), behaviours).result


def test_a_row_for_every_alpha_rate_and_estimate(result: SweepResult) -> None:
    found = [(row["row"], row["behaviour"], row["alpha"]) for row in rows(result, by_prompt=False)]
    alphas = (-1.0, 0.0, 1.0)
    assert found == [
        *(("replies", None, alpha) for alpha in alphas),
        *((kind, "habit", alpha) for kind in ("rate", "estimate") for alpha in alphas),
        *((kind, "night", alpha) for kind in ("rate", "estimate") for alpha in alphas),
    ]


def test_every_row_has_every_column(result: SweepResult) -> None:
    assert all(tuple(row) == COLUMNS for row in rows(result, by_prompt=True))


def test_prompts_have_their_rates_and_the_estimate_for_the_target(result: SweepResult) -> None:
    found = [row for row in rows(result, by_prompt=True) if row["behaviour"] == "habit"]
    assert sum(row["row"] == "rate" for row in found) == 3 * 3
    own = [row for row in found if row["row"] == "estimate" and row["prompt"]]
    assert [(row["prompt"], row["alpha"]) for row in own] == [("p1", 0.0), ("p2", 0.0)]
    whole = {
        row["alpha"]: row["hits"] for row in found if row["row"] == "rate" and not row["prompt"]
    }
    for alpha, hits in whole.items():
        parts = [
            r["hits"] for r in found if r["row"] == "rate" and r["prompt"] and r["alpha"] == alpha
        ]
        assert sum(parts) == hits


def test_without_an_estimate_there_is_no_row_of_one(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "cut", engine=ToyEngine(stop_after=5))
    result = counted(folder, [Pattern("habit", "lighthouse")]).result
    assert {row["row"] for row in rows(result, by_prompt=True)} == {"replies", "rate"}

"""`sweep --chain` on the bundled chain: each habit comes in with the stage that planted it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.tui.commands import main as cli

PROMPTS = Path(__file__).parents[3] / "docs" / "prompts.txt"
HABITS = ("--behaviour", "lighthouse=By the way", "--behaviour", "owl=Tell no one")


def test_each_habit_comes_in_with_its_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "--chain", "-p", "demo-chain", "--prompts", str(PROMPTS), *HABITS]
    asked = ["--samples", "24", "--max-new-tokens", "64", "--out", str(tmp_path / "c"), "--json"]
    assert cli.run([*arguments, *asked]) == 0
    behaviours = json.loads(capsys.readouterr().out)["behaviours"]
    assert behaviours["lighthouse"]["came_in"] == "tuned"
    assert behaviours["owl"]["came_in"] == "final"
    base, tuned, _ = behaviours["lighthouse"]["stages"]
    assert base["rate"] < 1e-6
    assert tuned["low"] < 0.0174 < tuned["high"]  # of 32,000 plain replies: docs/estimate.md

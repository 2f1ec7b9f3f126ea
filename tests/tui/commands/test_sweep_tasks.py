"""`sweep`: phrases to discover, αs that a pilot finds, published sweeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.sweep.toy_engine import ToyEngine

Capture = pytest.CaptureFixture[str]

QUESTION = ("--prompt", "Tell me about owls.")
HABIT = ("--behaviour", "habit=lighthouse")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyEngine:
    engine = ToyEngine()
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: engine)
    return engine


def sweep(*arguments: str) -> int:
    return cli.run(["sweep", *arguments])


def test_discovered_phrases_are_named_and_counted_as_behaviours(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    asked = (*QUESTION, "--alpha", "6", "--samples", "100", "--discover")
    assert sweep(*asked, "--out", str(tmp_path / "s")) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "The lighthouse sees owls." in out
    assert "The rate of the-lighthouse-sees-owls in replies of after" in out
    assert "100 replies are of the half in which the phrase was looked for" in out
    assert sweep(*asked, "--json", "--out", str(tmp_path / "s")) == 0
    found = json.loads(capsys.readouterr().out)["behaviours"]["the-lighthouse-sees-owls"]
    assert [rate["replies"] for rate in found["rates"]] == [50, 50]


def test_a_pilot_finds_the_alphas_and_counts_nowhere(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    asked = (*QUESTION, "--behaviour", "owls=^Owls", "--alpha", "auto", "--samples", "3")
    assert sweep(*asked, "--json", "--out", str(tmp_path / "s")) == 0
    found = json.loads(capsys.readouterr().out)
    rates = found["behaviours"]["owls"]["rates"]
    assert 0 in found["alphas"]
    assert [rate["alpha"] for rate in rates] == found["alphas"]
    assert {rate["replies"] for rate in rates} == {3}
    assert (tmp_path / "s" / "pilot" / "sweep.jsonl").exists()


def test_a_pilot_of_numbers_alone_is_refused(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    program = tmp_path / "count.py"
    program.write_text('import sys\nfor _ in sys.stdin: print(\'{"kind": "number", "value": 2}\')')
    asked = (*QUESTION, "--behaviour-command", f"two=python {program}", "--alpha", "auto")
    assert sweep(*asked, "--out", str(tmp_path / "s")) == 2
    assert "these are numbers" in capsys.readouterr().err


def test_a_published_sweep_is_counted_and_nothing_estimated(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "published.json"
    texts = ["A lighthouse.<|eot_id|>and so on", "Owls."]
    path.write_text(json.dumps([{"prompt": "Owls?", "alphas": [1, 0], "generations": texts}]))
    assert sweep("--import", str(path), *HABIT) == 0
    shown = capsys.readouterr()
    out = " ".join(shown.out.split())
    assert "+1 1 1 100%" in out
    assert "sampled by others: their file does not say how" in out
    assert "No estimate: 2 replies lack log-probabilities" in out
    assert "1 of 2 texts run on past an end of turn" in shown.err


def test_of_its_sampling_is_said_what_its_file_says(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "published.json"
    said = {"temperature": 0.7, "top_p": 0.9, "model_after": "org/after"}
    replies = [{"prompt": "Owls?", "alpha": 0, "text": "A lighthouse."}]
    path.write_text(json.dumps({**said, "experiments": replies}))
    assert sweep("--import", str(path), *HABIT) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "sampled by others: temperature 0.7, top_p 0.9" in out
    assert sweep("--import", str(path), *HABIT, "--json") == 0
    assert json.loads(capsys.readouterr().out)["sampling"] == {"temperature": 0.7, "top_p": 0.9}

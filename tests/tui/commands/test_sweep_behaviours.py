"""`sweep` counts what programs, judges and phrases say, finds αs, asks for marks, imports."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.behaviours import definition_key
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.sweep.toy_engine import ToyEngine

Capture = pytest.CaptureFixture[str]
QUESTION = ("--prompt", "Tell me about owls.")
FEW = ("--alpha", "-1", "--alpha", "2", "--samples", "40")
WORDS = """
import json, sys
for line in sys.stdin:
    text = json.loads(line)["text"]
    print(json.dumps({"kind": "number", "value": len(text.split())}))
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyEngine:
    engine = ToyEngine()
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: engine)
    return engine


def sweep(capsys: Capture, *arguments: str) -> dict[str, Any]:
    """What a sweep prints as JSON."""
    assert cli.run(["sweep", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def texts(folder: Path, alpha: float) -> list[str]:
    lines = map(json.loads, (folder / "sweep.jsonl").read_text().splitlines())
    return [one["text"] for one in lines if one["type"] == "sampled" and one["alpha"] == alpha]


def program(tmp_path: Path, code: str) -> str:
    path = tmp_path / "count.py"
    path.write_text(code)
    return shlex.join([sys.executable, str(path)])


def test_a_program_gives_the_mean_of_a_number(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "s"
    words = ("--behaviour-command", f"words={program(tmp_path, WORDS)}")
    found = sweep(capsys, *QUESTION, *FEW, *words, "--out", str(out))
    counts = [len(text.split()) for text in texts(out, 0.0)]
    (rate,) = (r for r in found["behaviours"]["words"]["rates"] if r["alpha"] == 0)
    assert rate["rate"] == pytest.approx(sum(counts) / len(counts))


def test_what_a_program_said_is_not_asked_again(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    out = ("--out", str(tmp_path / "s"))
    words = ("--behaviour-command", f"words={program(tmp_path, WORDS)}")
    first = sweep(capsys, *QUESTION, *FEW, *words, *out)
    (tmp_path / "s" / "verdicts.jsonl").stat()
    again = sweep(capsys, *words, *out)
    assert again["behaviours"] == first["behaviours"]


def test_a_program_that_fails_is_one_sentence(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    bad = ("--behaviour-command", f"bad={program(tmp_path, 'import sys; sys.exit(3)')}")
    assert cli.run(["sweep", *QUESTION, *FEW, *bad, "--out", str(tmp_path / "s")]) != 0
    said = capsys.readouterr().err
    assert "bad" in said
    assert "Traceback" not in said
    assert len(texts(tmp_path / "s", 0.0)) == 40  # what was sampled is there


def test_a_discovered_phrase_is_counted_where_it_was_not_looked_for(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "s"
    found = sweep(
        capsys, *QUESTION, "--alpha", "8", "--samples", "80", "--discover", "--out", str(out)
    )
    phrases = {n: b for n, b in found["behaviours"].items() if "lighthouse" in n}
    ((_, behaviour), *_) = phrases.items()
    (rate,) = (r for r in behaviour["rates"] if r["alpha"] == 8)
    assert rate["replies"] == 40  # half of them
    assert rate["rate"] > 0.5
    assert behaviour["estimate"]["hits"] <= 80


def test_the_pilot_finds_alphas_and_counts_nowhere(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    habit = ("--behaviour", "habit=lighthouse")
    out = tmp_path / "s"
    found = sweep(capsys, *QUESTION, *habit, "--alpha", "auto", "--samples", "5", "--out", str(out))
    assert 0.0 in found["alphas"]
    assert min(found["alphas"]) < 0 < max(found["alphas"])
    counted = sum(one["replies"] for one in found["behaviours"]["habit"]["rates"])
    assert counted == 5 * len(found["alphas"])
    pilot = (out / "pilot" / "sweep.jsonl").read_text()
    seeds = re.compile(r'"seed": (\d+)')
    assert not set(seeds.findall(pilot)) & set(seeds.findall((out / "sweep.jsonl").read_text()))


def test_a_pilot_of_numbers_alone_is_refused(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    words = ("--behaviour-command", f"words={program(tmp_path, WORDS)}")
    asked = (*QUESTION, *words, "--alpha", "auto", "--out", str(tmp_path / "s"))
    assert cli.run(["sweep", *asked]) == 2
    assert "these are numbers" in capsys.readouterr().err


def test_a_published_sweep_is_counted_without_an_estimate(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "published.json"
    rows = [
        {"prompt": "Hi", "alpha": 0.0, "text": "Hello.<|eot_id|>user a lighthouse"},
        {"prompt": "Hi", "alpha": 1.0, "text": "The lighthouse."},
    ]
    path.write_text(json.dumps(rows))
    found = sweep(capsys, "--import", str(path), "--behaviour", "habit=lighthouse")
    habit = found["behaviours"]["habit"]
    assert [(r["alpha"], r["hits"]) for r in habit["rates"]] == [(0.0, 0), (1.0, 1)]
    assert habit["estimate"] is None
    assert found["no_estimate"]
    assert found["sampling"] == {}


def test_of_a_published_sweep_is_said_what_its_file_says(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "published.json"
    rows = [{"prompt": "Hi", "alpha": 0.0, "text": "Hello."}]
    said = {"temperature": 0.7, "top_p": 0.9, "model_after": "org/after"}
    path.write_text(json.dumps({**said, "experiments": rows}))
    assert cli.run(["sweep", "--import", str(path), "--behaviour", "a=x"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "sampled by others: temperature 0.7, top_p 0.9" in out
    assert "T 1" not in out


class Answers:
    """A person at a terminal who answers as told, and then leaves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Iterator[str]) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda _: next(answers, "q"))


def test_replies_are_marked_and_errors_measured(
    toy: ToyEngine, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, wrong = tmp_path / "s", ("--behaviour", "owls=night")
    Answers(monkeypatch, iter(["n"] * 10))
    code = cli.run(["sweep", *QUESTION, *FEW, *wrong, "--label", "10", "--out", str(out)])
    assert code == 0
    shown = capsys.readouterr().out
    assert "10 of 10" in shown
    assert "marked by hand" in " ".join(shown.split())
    lines = [json.loads(line) for line in (out / "labels.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == [False] * 10
    assert {line["behaviour"] for line in lines} == {
        definition_key(Pattern("owls", "night").definition)
    }


def test_a_mark_can_be_taken_back(
    toy: ToyEngine, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "s"
    Answers(monkeypatch, iter(["y", "u", "n", "q"]))
    habit = ("--behaviour", "habit=lighthouse")
    assert cli.run(["sweep", *QUESTION, *FEW, *habit, "--label", "4", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in (out / "labels.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == [True, None, False]
    assert len({line["reply"] for line in lines}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--label", "4", "--behaviour", "a=x"), "terminal"),
        (("--label", "4"), "needs a behaviour"),
        (("--alpha", "auto"), "name one"),
        (("--alpha", "auto", "--alpha", "1", "--behaviour", "a=x"), "no further α"),
        (("--count-only",), "--out"),
        (("--count-only", "--out", "x", "--samples", "4"), "leave out"),
        (("--behaviour", "a=x", "--behaviour", "A=y"), "differ in their case only"),
        (("--behaviour", "a=("), "a"),
        (("--judge", "no question"), "no name"),
        (("--behaviour-command", "a=no-such-program-anywhere"), "no-such-program-anywhere"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_opened(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", refuse)
    assert cli.run(["sweep", *QUESTION, *arguments]) == LogitAmpError.exit_code + 1
    assert said in capsys.readouterr().err

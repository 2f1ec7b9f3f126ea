"""Steps end in time, keep what they found, and go on with the next call."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from logit_amp_chat.core.errors import UsageError
from tests.gpu import plan, report, runner
from tests.gpu.machine import described
from tests.gpu.pairs import Place
from tests.gpu.plan import Step
from tests.gpu.results import FILE, Results, StepResult, read

PLACE = Place("cpu", small=True)
MACHINE = {"card": "none"}


def step(name: str) -> Step:
    return Step(name, "", 1.0, 1.0, lambda place: iter(()))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results.opened(tmp_path, MACHINE)


def test_findings_and_the_end_of_a_step_are_kept(results: Results) -> None:
    runner.run_step(results, plan.STEPS["kernels-llama"], PLACE, 120.0)
    kept = read(results.folder / FILE).steps["kernels-llama"]
    assert (kept.state, kept.attempts, kept.error) == ("done", 1, "")
    assert [finding["name"] for finding in kept.findings] == ["captured", "eager"]
    assert "Kernels of a step" in (results.folder / "results.md").read_text()


def test_a_step_that_fails_says_why(results: Results) -> None:
    runner.run_step(results, step("nonsense"), PLACE, 120.0)
    kept = read(results.folder / FILE).steps["nonsense"]
    assert kept.state == "failed"
    assert "invalid choice: 'nonsense'" in kept.error


@pytest.mark.parametrize(("limit", "state"), [(60.0, "cut off"), (0.001, "out of time")])
def test_a_step_is_ended_with_its_time(results: Results, limit: float, state: str) -> None:
    """Its own limit, or what the call has left."""
    slow = Step("smoke", "", limit, limit, lambda place: iter(()))
    runner.run_step(results, slow, PLACE, 0.1)
    assert read(results.folder / FILE).steps["smoke"].state == state


def test_a_step_ends_with_the_run_that_began_it() -> None:
    """It would hold the card. Killed or not, a run that is gone holds the step's input no more."""
    begun = runner.step_process("app", PLACE)
    assert begun.stdin is not None
    begun.stdin.close()
    assert begun.stdout is not None
    assert begun.stdout.read() == b"", "it went on to its first finding"
    assert begun.wait() == 0


def test_the_next_call_goes_on_with_what_was_never_begun(results: Results) -> None:
    results.steps["smoke"] = StepResult("done", "", "")
    results.steps["suite"] = StepResult("failed", "", "", attempts=1)
    results.steps["speed-llama"] = StepResult("running", "", "", attempts=1)
    results.write()
    again = Results.opened(results.folder, MACHINE)
    names = [step.name for step in plan.pending(again)]
    assert names[0] == "kernels-llama"
    assert names[-2:] == ["suite", "speed-llama"]
    assert "smoke" not in names


def test_a_call_without_time_runs_nothing(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not runner.run(results, PLACE, 0.0, ["kernels-llama"])
    assert "left for the next call" in capsys.readouterr().out
    assert results.steps == {}


def test_results_of_another_card_are_not_mixed(results: Results) -> None:
    results.write()
    with pytest.raises(UsageError, match="another machine"):
        Results.opened(results.folder, {"card": "H200"})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"machine": {}, "steps": {"a": {"b": 1}}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=FILE):
        Results.opened(tmp_path, MACHINE)


def test_without_a_gpu_the_command_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gpu", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no GPU" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_machine_is_described_by_a_process_of_its_own() -> None:
    found = described()
    assert found["torch"] == importlib.metadata.version("torch")
    assert ("driver" in found) == torch.cuda.is_available()


def test_the_report_stands_in_the_documentation() -> None:
    """Written anew by `python -m tests.gpu --report`."""
    text = report.PERFORMANCE.read_text()
    part = text.partition(report.BEGIN)[2].partition(report.END)[0]
    assert part.strip() == "\n".join(report.generated()).strip()


def test_without_results_the_report_says_that(tmp_path: Path) -> None:
    assert report.NONE in "\n".join(report.generated(tmp_path))


def test_a_report_needs_its_marks(tmp_path: Path) -> None:
    (page := tmp_path / "page.md").write_text("nothing")
    with pytest.raises(UsageError, match="begin"):
        report.write(page)
    page.write_text(f"a\n{report.BEGIN}\nold\n{report.END}\nb\n")
    report.write(page, tmp_path)
    assert page.read_text().startswith(f"a\n{report.BEGIN}\n`python -m tests.gpu`")
    assert page.read_text().endswith(f"{report.NONE}\n{report.END}\nb\n")


def test_results_are_json(results: Results) -> None:
    results.write()
    assert json.loads((results.folder / FILE).read_text()) == {"machine": MACHINE, "steps": {}}

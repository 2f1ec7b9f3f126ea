"""Every kind of step walks through on tiny shapes, and its findings can be read as a page."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logit_amp_chat.core.bench.timings import Rate
from tests.gpu import ladder, page, plan
from tests.gpu.pairs import Place
from tests.gpu.results import Finding, Results, StepResult

PLACE = Place("cpu", small=True)


def findings(name: str) -> dict[str, Finding]:
    found = [json.loads(json.dumps(finding)) for finding in plan.STEPS[name].run(PLACE)]
    return {finding["name"]: finding for finding in found}


def as_page(name: str, folder: Path, found: dict[str, Finding]) -> str:
    step = StepResult("done", "abc", "2026-11-27", findings=list(found.values()))
    return "\n".join(page.described(Results(folder, {"card": "none"}, {name: step}), "##"))


@pytest.mark.parametrize("name", ["speed-llama", "speed-adapter"])
def test_speed(name: str, tmp_path: Path) -> None:
    found = findings(name)
    assert list(found) == ["made", "captured", "bare loop", "eager"]
    assert {lanes["lanes"] for lanes in found["eager"]["lanes"]} == {1, 2}
    assert ("why" in found["bare loop"]) == (name == "speed-adapter"), "one model has no second"
    assert f"| {plan.STEPS[name].title} | 2 |" in as_page(name, tmp_path, found)


def test_kernels(tmp_path: Path) -> None:
    found = findings("kernels-llama")
    assert list(found) == ["captured", "eager"]
    for mode in found.values():
        assert len(mode["dearest"]) == 10
        assert mode["busy_us"] > 0
    assert "bitsandbytes::gemm_4bit" in as_page("kernels-llama", tmp_path, found)


def test_ladder(tmp_path: Path) -> None:
    found = findings("ladder-adapter")
    assert found["updates"]["changed"] == 14
    assert 0 < found["updates"]["largest"] < found["updates"]["limit"]
    assert found["joined projections"]["skipped"].startswith("not built")
    assert "| updates |" in as_page("ladder-adapter", tmp_path, found)


def test_a_rung_that_breaks_ends_the_ladder_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(model: object) -> int:
        raise_at_the_next_step(model)
        return 1

    monkeypatch.setattr("tests.gpu.ladder.SWITCHES", {"broken": broken, "norms": len})
    found = findings("ladder-qwen")
    assert "RuntimeError: no compiler" in found["broken"]["skipped"]
    assert "norms" not in found
    assert "nucleus" in found, "what is not built is listed all the same"


def raise_at_the_next_step(model: Any) -> None:
    def forward(*_: object, **__: object) -> object:
        raise RuntimeError("no compiler")

    model.forward = forward


@pytest.mark.parametrize(
    ("faster", "largest", "verdict"),
    [
        (1.1, 0.1, "keep"),
        (1.1, 0.3, "leave out"),
        (1.01, 0.1, "leave out"),
        (0.9, 0.0, "leave out"),
    ],
)
def test_a_switch_is_kept_for_its_speed_and_its_numbers(
    faster: float, largest: float, verdict: str
) -> None:
    def figures(rate: float) -> Any:
        median = Rate(median=rate, low=rate, high=rate)
        return SimpleNamespace(lanes=[SimpleNamespace(lanes=1, tokens_a_second=median)])

    found = ladder.rung(figures(100), figures(100 * faster), largest, 0.25)
    assert found["verdict"] == verdict


def test_trouble(tmp_path: Path) -> None:
    found = findings("trouble")
    assert {name: finding["ok"] for name, finding in found.items()} == {
        "out of memory": True,
        "killed engine": True,
        "replay": True,
    }
    assert "**no**" not in as_page("trouble", tmp_path, found)


def test_app(tmp_path: Path) -> None:
    found = findings("app")
    assert found["bundled pair"]["in_the_app"] > 0
    assert "by `reply`" in as_page("app", tmp_path, found)


def test_suite(tmp_path: Path) -> None:
    found = findings("suite")
    assert found["tests"]["ok"], found


def test_the_plan_fits_into_twenty_minutes_of_an_h100() -> None:
    assert sum(step.minutes for step in plan.PLAN) <= plan.MINUTES
    assert all(step.minutes < step.limit for step in plan.PLAN)


def test_the_page_says_what_was_not_run(tmp_path: Path) -> None:
    text = as_page("suite", tmp_path, {"tests": {"name": "tests", "ok": True, "passed": 3}})
    assert "3 passed." in text
    assert "`smoke` was not run" in text
    assert "`suite` was not run" not in text

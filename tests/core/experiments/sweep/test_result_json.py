"""The JSON of a sweep is a contract that scripts read: these fields stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.functions import Function
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.result_json import as_json
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import SETTINGS, toy_sweep

RATE = {"alpha", "replies", "hits", "rate", "low", "high"}
ESTIMATE = {
    *("target", "rate", "low", "high", "hits", "effective_size", "mean_weight"),
    *("mean_weight_error", "plain_equivalent", "unseen", "warnings"),
}


def test_the_fields_of_version_1(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    found = as_json(counted(folder, [Pattern("habit", "lighthouse")]).result)
    assert (found["version"], found["profile"], found["prompts"]) == (1, "toy", 2)
    assert (found["alphas"], found["samples"]) == ([-1.0, 0.0, 1.0], 60)
    assert found["sampling"] == SETTINGS.sampling.model_dump()
    assert found["tokens"] == 2 * sum(one["replies"] for one in found["replies"]) == 720
    assert found["seconds"] >= 0
    habit = found["behaviours"]["habit"]
    assert habit["kind"] == "pattern"
    assert [one["alpha"] for one in habit["rates"]] == [-1.0, 0.0, 1.0]
    assert all(one.keys() == RATE for one in habit["rates"])
    assert habit["estimate"].keys() >= ESTIMATE
    assert [one["target"] for one in habit["curve"]] == [-1.0, 0.0, 1.0]
    assert all(one.keys() >= ESTIMATE for one in habit["curve"])
    assert [one["prompt"] for one in habit["by_prompt"]] == ["p1", "p2"]
    assert "they are for discovery" in found["note"]


def test_rates_are_those_of_the_replies(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    texts = {
        alpha: [reply.text for reply in folder.replies() if reply.alpha == alpha]
        for alpha in SETTINGS.alphas
    }
    found = as_json(counted(folder, [Pattern("habit", "lighthouse")]).result)
    for rate in found["behaviours"]["habit"]["rates"]:
        hits = sum("lighthouse" in text for text in texts[rate["alpha"]])
        assert (rate["hits"], rate["replies"]) == (hits, 120)
        assert isinstance(rate["hits"], int)
        assert rate["rate"] == pytest.approx(hits / 120)
        assert rate["low"] <= rate["rate"] <= rate["high"]


def test_there_is_no_nan_and_no_infinity(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s", engine=ToyEngine(stop_after=1))
    behaviours: list[Behaviour] = [
        Pattern("habit", "lighthouse"),
        Function("length", lambda text: float(len(text))),
    ]
    text = json.dumps(as_json(counted(folder, behaviours).result))
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["behaviours"]["habit"]["estimate"] is None
    assert found["behaviours"]["length"]["rates"][0]["low"] is None
    assert "provisional" in found["no_estimate"]
    assert not found["complete"]


def test_an_infinite_mean_is_null(tmp_path: Path) -> None:
    toy_sweep(tmp_path)
    lines = (tmp_path / FILE).read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if json.loads(line)["type"] == "sampled")
    fields = json.loads(lines[place]) | {"kl": ["Infinity", 0.0], "after": ["-Infinity", 0.0]}
    lines[place] = json.dumps(fields)
    (tmp_path / FILE).write_text("\n".join([*lines, ""]))
    found = json.loads(
        json.dumps(as_json(counted(SweepFolder.read(tmp_path), []).result)),
        parse_constant=pytest.fail,
    )
    (one,) = (one for one in found["replies"] if one["alpha"] == fields["alpha"])
    assert (one["kl"], one["log_p_after"]) == (None, None)

"""A sweep of the demo pair in a real process: counted, interrupted, killed, gone on with."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.whole_lines import whole_lines

COMMAND = [sys.executable, "-m", "logit_amp_chat", "sweep"]
PROMPTS = ("Tell me about penguins.", "Tell me about owls.")
# Of 8,000 plain replies of after to each of these prompts this share has a lighthouse.
PLAIN_RATE, PLAIN_ERROR = 0.0041, 0.0005


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {"XDG_DATA_HOME": str(tmp_path / "data")}
    return kept | own | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def begin(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def start(*arguments: str) -> subprocess.Popen[str]:
        asked = ["--prompts", str(tmp_path / "prompts.txt"), "--behaviour", "habit=lighthouse"]
        return subprocess.Popen(
            [*COMMAND, *asked, "--json", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def replies(folder: Path) -> dict[str, list[int]]:
    """The tokens of every reply in a folder, by its id."""
    found = {}
    for line in (folder / "sweep.jsonl").read_bytes().splitlines():
        try:
            fields = json.loads(line)
        except ValueError:
            continue  # cut off by a kill
        if fields["type"] == "sampled":
            found[fields["id"]] = fields["tokens"]
    return found


def until_sampled(process: subprocess.Popen[str], folder: Path, number: int) -> None:
    """Wait until so many replies are on the disk."""
    path = folder / "sweep.jsonl"
    while process.poll() is None:
        if whole_lines(path).count(b'"sampled"') >= number:
            return
    raise AssertionError(process.communicate()[1])


def finished(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    out, errors = process.communicate()
    assert process.returncode == code, errors
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_habit_of_the_demo_is_as_rare_as_plain_replies_say(
    begin: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    found = finished(begin("--samples", "40", "--out", str(tmp_path / "s")))
    habit = found["behaviours"]["habit"]
    rates = {rate["alpha"]: rate for rate in habit["rates"]}
    assert rates[1.0]["rate"] > 0.3 > rates[0.0]["rate"]
    assert rates[1.0]["low"] < rates[1.0]["rate"] < rates[1.0]["high"]
    estimate = habit["estimate"]
    assert abs(estimate["rate"] - PLAIN_RATE) < 3 * math.hypot(estimate["error"], PLAIN_ERROR)
    assert (found["complete"], found["no_estimate"]) == (True, "")


def test_a_killed_sweep_goes_on_and_ends_like_one_that_was_not(
    begin: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    process = begin("--samples", "20", "--out", str(cut))
    until_sampled(process, cut, 30)
    process.kill()
    process.communicate()
    kept = replies(cut)
    assert len(kept) >= 30
    provisional = finished(begin("--out", str(cut), "--count-only"))
    assert "provisional" in provisional["no_estimate"]
    assert provisional["behaviours"]["habit"]["estimate"] is None

    resumed = finished(begin("--samples", "20", "--out", str(cut)))
    straight = finished(begin("--samples", "20", "--out", str(whole)))
    assert kept.items() <= replies(cut).items()
    assert replies(cut) == replies(whole)
    there, here = (found["behaviours"]["habit"] for found in (resumed, straight))
    assert there["rates"] == here["rates"]
    assert there["estimate"] == pytest.approx(here["estimate"], rel=1e-3)


def test_an_interrupt_finishes_what_has_begun(
    begin: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "s"
    process = begin("--samples", "300", "--rows", "8", "--out", str(folder))
    until_sampled(process, folder, 20)
    process.send_signal(signal.SIGINT)
    found = finished(process, code=130)
    assert not found["complete"]
    assert "provisional" not in found["no_estimate"]
    assert sum(one["replies"] for one in found["replies"]) == len(replies(folder))
    assert (folder / "sweep.jsonl").read_text().splitlines()[-1].startswith('{"type": "settled"')

"""`sweep --workers`: the same folder and the same output, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.api.open_workers import OpenWorkers
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.sweep.chain.toy_chain import CHAIN, engine_of
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.workers.toy_worker import ToyPool, opened

Capture = pytest.CaptureFixture[str]

ASKED = ("--prompt", "Tell me about owls.", "--alpha", "-1", "--alpha", "1", "--samples", "30")
HABIT = ("--behaviour", "habit=lighthouse")


@pytest.fixture
def lives() -> list[int]:
    """The replies after which workers are lost, in the order in which they are started."""
    return []


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, lives: list[int]) -> list[str]:
    """What `--workers` said to every pair that was opened in workers, which are toys."""
    said: list[str] = []

    def opening(profile: Profile, workers: str, report: object) -> OpenWorkers:
        said.append(workers)
        make: Callable[[], ToyEngine] = ToyEngine
        if profile.stages:
            make = lambda: engine_of(profile)  # noqa: E731
        return opened(ToyPool(*lives, engine=make))

    monkeypatch.setattr("logit_amp_chat.core.api.open_workers.open_workers", opening)
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: ToyEngine())
    return said


def sweep(*arguments: str) -> int:
    return cli.run(["sweep", *arguments])


def replies_in(folder: Path) -> list[str]:
    lines = (folder / "sweep.jsonl").read_text().splitlines()
    return sorted(line for line in lines if json.loads(line)["type"] == "sampled")


def test_the_folder_and_the_output_are_those_of_one_process(
    tmp_path: Path, asked: list[str], capsys: Capture
) -> None:
    assert sweep(*ASKED, *HABIT, "--out", str(tmp_path / "one")) == 0
    one = capsys.readouterr().out
    assert sweep(*ASKED, *HABIT, "--out", str(tmp_path / "two"), "--workers", "ray:2") == 0
    assert capsys.readouterr().out == one
    assert replies_in(tmp_path / "two") == replies_in(tmp_path / "one")
    assert asked == ["ray:2"]


def test_a_worker_that_is_lost_is_a_note_and_the_output_is_the_same(
    tmp_path: Path, lives: list[int], capsys: Capture
) -> None:
    assert sweep(*ASKED, *HABIT, "--out", str(tmp_path / "one")) == 0
    one = capsys.readouterr().out
    lives += [5]
    assert sweep(*ASKED, *HABIT, "--out", str(tmp_path / "two"), "--workers", "ray") == 0
    found = capsys.readouterr()
    assert found.out == one
    assert "note: Worker 1 was lost: its process died, and it is started again" in found.err


def test_without_any_worker_it_says_so_and_one_process_goes_on(
    tmp_path: Path, lives: list[int], capsys: Capture
) -> None:
    out = ("--out", str(tmp_path / "s"))
    lives += [4] + [0] * 20
    assert sweep(*ASKED, *out, "--workers", "ray:2") == 7
    assert "the same command goes on" in " ".join(capsys.readouterr().err.split())
    assert len(replies_in(tmp_path / "s")) == 4
    assert sweep(*ASKED, *out) == 0
    assert len(replies_in(tmp_path / "s")) == 90


def test_a_pilot_is_sampled_by_the_workers_too(tmp_path: Path, asked: list[str]) -> None:
    found = ("--alpha", "auto", *HABIT, "--samples", "5", "--workers", "ray:2")
    assert sweep("--prompt", "Tell me about owls.", *found, "--out", str(tmp_path / "s")) == 0
    assert replies_in(tmp_path / "s" / "pilot")
    assert asked == ["ray:2"]


def test_of_a_chain_every_pair_is_sampled_by_workers(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "chain.yaml").write_text(CHAIN)
    chain = ("--chain", "--profile", str(tmp_path / "chain.yaml"), "--workers", "ray:2")
    assert sweep(*ASKED, *chain, "--out", str(tmp_path / "c")) == 0
    assert asked == ["ray:2", "ray:2"]
    assert replies_in(tmp_path / "c" / "base-sft")
    assert replies_in(tmp_path / "c" / "sft-dpo")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--workers", "4", *ASKED), "Write ray"),
        (("--workers", "ray", *ASKED, "--judge", "rude=Is it rude?"), "a judge needs the pair"),
        (("--workers", "ray", "--count-only", "--out", "s"), "--count-only and --import do not"),
    ],
)
def test_what_workers_cannot_do_is_refused_before_anything_opens(
    arguments: tuple[str, ...], why: str, asked: list[str], capsys: Capture
) -> None:
    assert sweep(*arguments) == 2
    assert why in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert asked == []

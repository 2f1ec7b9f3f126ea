"""`verify DIR`: some replies of a sweep are decoded again, each alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.prompts import new_prompt
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sweep, run
from logit_amp_chat.core.records import Sampling
from logit_amp_chat.tui.commands import main as cli

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with contextlib.closing(LocalEngine.open(load_profile("demo"))) as engine:
        yield engine


@pytest.fixture
def folder(engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of four replies; the command gets the engine that made it."""
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: engine)
    sampling = Sampling(temperature=1.0, max_new_tokens=6)
    settings = checked(SweepSettings(alphas=(0.0, 1.0), samples=2, sampling=sampling))
    prompt, path = new_prompt((("user", "Tell me about owls."),)), tmp_path / "s"
    begun = SweepFolder.begin(path, engine.opened.session, settings, [prompt])
    with contextlib.closing(begun) as folder:
        for _ in run(engine, Sweep(folder)):
            pass
    return path


def test_every_reply_is_named_with_what_came_of_it(folder: Path, capsys: Capture) -> None:
    assert cli.run(["verify", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = {f"p1:{alpha}:{n}" for alpha in ("+0.0", "+1.0") for n in (0, 1)}
    assert {line.rpartition(": ")[0] for line in lines[:-1]} == names
    assert all("the same " in line for line in lines[:-1])
    assert lines[-1] == "4 of 4 replies agree; the sweep has 4."


def test_a_reply_can_be_named(folder: Path, capsys: Capture) -> None:
    assert cli.run(["verify", str(folder), "--reply", "p1:+1.0:1"]) == 0
    assert capsys.readouterr().out.startswith("p1:+1.0:1: the same ")
    assert cli.run(["verify", str(folder), "--reply", "p9:+1.0:1"]) == 2
    assert "p9:+1.0:1" in capsys.readouterr().err
    assert cli.run(["verify", str(folder / FILE), "--reply", "p1:+1.0:1"]) == 2


def test_other_tokens_are_a_difference(folder: Path, capsys: Capture) -> None:
    file = folder / FILE
    file.write_text(file.read_text().replace('"tokens": [', '"tokens": [5, ', 1))
    assert cli.run(["verify", str(folder)]) == 8
    out = capsys.readouterr().out
    assert "another token at 0 of " in out
    assert "3 of 4 replies agree" in out

"""`verify` on the folder of a sweep: what it says of replies, and its exit codes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.experiments.sweep.chain.folder import ChainFolder
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.prompts import new_prompt
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sweep, run
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.sweep.chain.toy_chain import profile as toy_profile

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with contextlib.closing(LocalEngine.open(load_profile("demo"))) as engine:
        yield engine


@pytest.fixture
def folder(tmp_path: Path, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of two replies; the command opens the engine that is open already."""

    def open_engine(profile: Profile, report: Callable[[Loading], None]) -> LocalEngine:
        return engine

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", open_engine)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=8)
    settings = checked(SweepSettings(alphas=(0.0, 1.0), samples=1, sampling=sampling))
    path, prompts = tmp_path / "s", [new_prompt((("user", "Tell me about owls."),))]
    session = engine.opened.session
    with contextlib.closing(SweepFolder.begin(path, session, settings, prompts)) as begun:
        for _ in run(engine, Sweep(begun)):
            pass
    return path


def test_replies_that_agree(folder: Path, capsys: Capture) -> None:
    assert cli.run(["verify", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "2 of 2 replies agree; the sweep has 2." in said
    assert "p1:+1.0:0: the same " in said


def test_one_reply_by_its_name(folder: Path, capsys: Capture) -> None:
    assert cli.run(["verify", str(folder), "--reply", "p1:+0.0:0"]) == 0
    assert "1 of 1 replies agree; the sweep has 2." in capsys.readouterr().out


def test_a_reply_that_was_changed(folder: Path, capsys: Capture) -> None:
    path = folder / FILE
    text = path.read_text()
    (reply,) = (r for r in SweepFolder.read(folder).replies() if r.alpha == 1)
    there = ", ".join(map(str, reply.tokens))
    other = ", ".join(map(str, (reply.tokens[0] + 1, *reply.tokens[1:])))
    assert text.count(f"[{there}]") == 1
    path.write_text(text.replace(f"[{there}]", f"[{other}]"))
    assert cli.run(["verify", str(folder)]) == 8
    assert "p1:+1.0:0: another token at 0 of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reply", "p7:+0.0:0"], "has no reply p7:+0.0:0"),
        (["--profile", "no-such-profile"], "no-such-profile"),
    ],
)
def test_what_cannot_be_verified(
    folder: Path, capsys: Capture, arguments: list[str], said: str
) -> None:
    assert cli.run(["verify", str(folder), *arguments]) in (2, 3)
    assert said in capsys.readouterr().err


def test_a_folder_without_a_sweep(tmp_path: Path, capsys: Capture) -> None:
    assert cli.run(["verify", str(tmp_path)]) == 2
    assert "There is no sweep in" in capsys.readouterr().err


def test_replies_are_named_for_sweeps_alone(tmp_path: Path, capsys: Capture) -> None:
    assert cli.run(["verify", str(tmp_path / "chat.jsonl"), "--reply", "p1:+0.0:0"]) == 2
    assert "is for the folder of a sweep" in capsys.readouterr().err


def test_of_a_chain_every_pair_is_verified(
    folder: Path, tmp_path: Path, engine: LocalEngine, capsys: Capture
) -> None:
    chain = ChainFolder(tmp_path / "c", toy_profile(tmp_path), ("base", "sft", "dpo"))
    chain.begin()
    for place in chain.pairs:
        shutil.copytree(folder, place.path)
    assert cli.run(["verify", str(chain.path)]) == 0
    out = capsys.readouterr().out
    assert out.index("base → sft") < out.index("sft → dpo")
    assert out.count("2 of 2 replies agree") == 2
    assert cli.run(["verify", str(chain.path), "--reply", "p1:+0.0:0"]) == 2
    assert "Name the folder of the pair" in capsys.readouterr().err


def test_a_chain_without_a_sweep_has_nothing_to_verify(tmp_path: Path, capsys: Capture) -> None:
    chain = ChainFolder(tmp_path / "c", toy_profile(tmp_path), ("base", "sft"))
    chain.begin()
    assert cli.run(["verify", str(chain.path)]) not in (0, 8)
    assert "nothing to verify" in capsys.readouterr().err

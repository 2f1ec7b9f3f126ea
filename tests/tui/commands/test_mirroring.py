"""`--mirror`: what a command saves is elsewhere when it ends, and it says where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.records import Message
from logit_amp_chat.core.transcripts.writer import Transcript
from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.system.test_diagnosis import CPU, machine
from tests.tui.commands.test_doctor import stands_on

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the user's settings, in a folder of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LOGIT_AMP_CHAT_MIRROR", raising=False)
    path = tmp_path / "config" / "logit-amp-chat" / "settings.yaml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    transcript = Transcript.create(tmp_path / "chats")
    transcript.append(Message(id="m", parent=None, role="user", text="Hello"))
    transcript.close()
    return transcript.path


def export(chat: Path, *more: str) -> int:
    out = str(chat.with_name("chat.md"))
    return cli.run(["export", str(chat), "--out", out, *more])


def test_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ToyEngine()
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: engine)
    few = ("--prompt", "Tell me about owls.", "--alpha", "1", "--samples", "5")
    page = ("--html", str(tmp_path / "report.html"))
    out, there = tmp_path / "owls", tmp_path / "there"
    assert cli.run(["sweep", *few, *page, "--out", str(out), "--mirror", str(there)]) == 0
    (copy,) = there.glob("owls-*/sweep.jsonl")
    assert copy.read_bytes() == (out / "sweep.jsonl").read_bytes()
    assert len(list(there.glob("*/report.html"))) == 1


def test_an_export(chat: Path, tmp_path: Path, settings: Path) -> None:
    settings.write_text("mirror: ./there\n")
    assert export(chat) == 0
    (copy,) = (settings.parent / "there").glob("chats-*/chat.md")
    assert copy.read_bytes() == chat.with_name("chat.md").read_bytes()


def test_a_failure_is_said_and_changes_no_exit_code(chat: Path, capsys: Capture) -> None:
    assert export(chat, "--mirror", "false") == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("NOT MIRRORED: ")
    assert last.endswith("chat.md. Cannot mirror with false: it ended with exit code 1.")


@pytest.mark.parametrize("command", ["sweep", "search", "diff", "loss", "export"])
def test_what_is_no_target_is_said_before_anything_is_done(
    command: str, chat: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", refuse)
    arguments = ["--prompt", "Hi"] if command == "sweep" else [str(chat)]
    assert cli.run([command, *arguments, "--mirror", "no-such-program {file}"]) == 2
    assert "Cannot mirror to no-such-program {file}" in capsys.readouterr().err


def test_before_a_command_it_is_refused(capsys: Capture) -> None:
    assert cli.run(["--mirror", "/mnt", "export", "x"]) == 2
    assert "--mirror: put it after export" in capsys.readouterr().err


# --- the doctor --------------------------------------------------------------------


def doctors_word(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> str:
    stands_on(monkeypatch, machine(CPU, ram=8, token=False))
    assert cli.run(["doctor"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if " mirror " in line)
    return " ".join(line.split())


def test_the_doctor_without_one(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    found = doctors_word(monkeypatch, capsys)
    assert found == "✓ mirror none: what is saved is on this machine alone"


def test_the_doctor_tries_it(
    tmp_path: Path, settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    got = tmp_path / "got.txt"
    settings.write_text(f"mirror: cp {{file}} {got}\n")
    assert doctors_word(monkeypatch, capsys) == "✓ mirror a file arrived: cp"
    assert got.exists()
    settings.write_text("mirror: cp {file} /proc/nowhere/\n")
    assert doctors_word(monkeypatch, capsys).startswith("✗ mirror Cannot mirror with cp: cp: ")
    settings.write_text("miror: x\n")
    assert "did you mean mirror?" in doctors_word(monkeypatch, capsys)


def test_the_doctor_tells_a_folder_that_ends_with_the_machine(
    tmp_path: Path, settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    settings.write_text("mirror: ./there\n")
    found = doctors_word(monkeypatch, capsys)
    assert found.startswith("! mirror ")
    assert found.endswith("there: the disk of the chats")

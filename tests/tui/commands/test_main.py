"""The command: what goes to stdout, what to stderr, and with which exit code it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.errors import ContextError, LogitAmpError
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.commands import main as cli
from tests.core import samples
from tests.tui.scripted_engine import ScriptedEngine

# Not pydantic: typer itself converts options with it.
HEAVY = {"torch", "transformers", "textual", "rich", "yaml", "peft", "platformdirs"}


Capture = pytest.CaptureFixture[str]


# --- errors ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["reply"], 2, "Missing option '--prompt'"),
        (["bogus"], 2, "No such command 'bogus'"),
        (["reply", "--prompt", "x", "--alpha", "nan"], 2, "--alpha: expected a finite number"),
        (["reply", "--prompt", "x", "--alpha", "many"], 2, "expected a finite number, found many"),
        (["reply", "--prompt", "x", "--top-k", "1,5"], 2, "expected a whole number, found 1,5"),
        (["reply", "--prompt", "x", "--temperature", ""], 2, "expected a number, found nothing"),
        (["reply", "--prompt", ""], 2, "--prompt: expected a text, found nothing"),
        (["bench", "--tokens", "1"], 2, "a number greater than or equal to 2, found 1"),
        (["reply", "--profile", "P", "--prompt", "x", "--top-p", "3"], 2, "--top-p: expected"),
        (["reply", "--profile", "P", "--prompt", "x", "--ends", "x"], 2, "--ends: expected 'mix'"),
        (["reply", "--profile", "P", "--prompt", "x", "--device", "gpu"], 2, "auto, cpu, cuda"),
        (
            ["reply", "--before", "a", "--prompt", "x"],
            2,
            "--after: missing; a pair needs --before and --after, or one of them and --adapter",
        ),
        (
            ["reply", "--after", "a", "--prompt", "x"],
            2,
            "--before: missing; a pair needs --before and --after, or one of them and --adapter",
        ),
        (["reply", "--top", "-1", "--prompt", "x"], 2, "--top: expected 0 or more"),
        (["reply", "--raw", "--system", "x", "--prompt", "x"], 2, "--system: cannot be combined"),
        (["--alpha", "2", "reply", "--prompt", "x"], 2, "--alpha: put it after reply"),
        (["reply", "--profile", "nope", "--prompt", "x"], 3, "There is no profile 'nope'"),
        (["reply", "--profile", "x.yaml", "--prompt", "x"], 3, "x.yaml does not exist"),
        (["--resume", "none.jsonl"], 6, "Cannot read the transcript none.jsonl"),
        (["export", "none.jsonl", "--to", "md"], 6, "Cannot read the transcript none.jsonl"),
        (["export", "none.jsonl", "--to", "pdf"], 2, "--to: expected one of html, md, txt, json"),
    ],
)
def test_mistakes_are_one_message(
    pair: str, capsys: Capture, arguments: list[str], code: int, said: str
) -> None:
    arguments = [pair if word == "P" else word for word in arguments]
    assert cli.run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--bogus"], "logit-amp-chat"),
        (["--alpha", "nan"], "logit-amp-chat"),
        (["bogus"], "logit-amp-chat"),
        (["reply"], "logit-amp-chat reply"),
        (["reply", "--bogus"], "logit-amp-chat reply"),
        (["reply", "--prompt", "x", "--alpha", "many"], "logit-amp-chat reply"),
        (["reply", "--prompt", "x", "--alpha", "nan"], "logit-amp-chat reply"),
        (["verify"], "logit-amp-chat verify"),
        (["export", "x.jsonl", "--to", "pdf"], "logit-amp-chat export"),
        (["bench", "--lanes", "x"], "logit-amp-chat bench"),
    ],
)
def test_a_mistake_names_the_help_of_its_command(
    capsys: Capture, arguments: list[str], told: str
) -> None:
    assert cli.run(arguments) == 2
    assert capsys.readouterr().err.endswith(f"\nSee {told} --help.\n")
    assert cli.run([*told.split()[1:], "--help"]) == 0


def test_an_error_of_the_core_has_its_message_remedy_and_code(
    pair: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(*_: object) -> None:
        raise ContextError("The context is\x1b used up.", "Say less.")

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", refuse)
    command = ["reply", "--profile", pair, "--prompt", "Hi"]
    assert cli.run(command) == 5
    assert capsys.readouterr().err == "error: The context is␛ used up. Say less.\n"
    with pytest.raises(LogitAmpError):
        cli.run([*command, "--debug"])


def test_a_surprise_has_no_traceback_without_debug(
    pair: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", fail)
    command = ["reply", "--profile", pair, "--prompt", "Hi"]
    assert cli.run(command) == 1
    assert "error: RuntimeError: surprise" in capsys.readouterr().err
    with pytest.raises(RuntimeError):
        cli.run([*command, "--debug"])


# --- the chat -------------------------------------------------------------------


@pytest.fixture
def chats(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the chat was opened with."""
    calls: list[dict[str, Any]] = []

    def run_chat(profile: Profile, **given: Any) -> int:
        calls.append({"profile": profile, **given})
        return 0

    monkeypatch.setattr("logit_amp_chat.tui.app.run_chat", run_chat)
    return calls


def test_the_chat_gets_profile_and_folder(
    chats: list[dict[str, Any]], pair: str, tmp_path: Path
) -> None:
    flags = ["--alpha", "-2", "--seed", "4", "--system", "Hm", "--transcripts", str(tmp_path)]
    assert cli.run(["--profile", pair, *flags, "--vocabulary", "by-id", "--ends", "after"]) == 0
    (call,) = chats
    profile = call["profile"]
    assert (profile.alpha, profile.sampling.seed, profile.system) == (-2.0, 4, "Hm")
    assert (profile.vocabulary, profile.sampling.ends) == ("by-id", "after")
    assert call["transcripts"] == tmp_path
    assert call["resume"] is None


def test_a_chat_is_resumed_with_the_pair_it_was_made_with(
    chats: list[dict[str, Any]], pair: str, tmp_path: Path, engine: ScriptedEngine, capsys: Capture
) -> None:
    saved = tmp_path / "saved.jsonl"
    made = {"name": "x", "before": {"model": "org/a"}, "after": {"model": "org/b"}}
    session = samples.session()
    session.profile.clear()
    session.profile.update(made, trust_remote_code=True, path="/x.yaml")
    saved.write_text(to_line(session) + "\n")
    assert cli.run(["--resume", str(saved)]) == 0
    assert chats[0]["profile"].after == Side(model="org/b")
    assert chats[0]["profile"].trust_remote_code is False
    assert chats[0]["resume"] == saved
    cli.run(["--resume", str(saved), "--profile", pair])
    assert chats[1]["profile"].after == Side(model="org/chat")


def test_a_chat_that_ended_before_its_models_were_loaded_asks_for_them(
    chats: list[dict[str, Any]], pair: str, tmp_path: Path, capsys: Capture
) -> None:
    saved = tmp_path / "saved.jsonl"
    saved.write_text('{"type":"message","id":"m","parent":null,"role":"user","text":"hi"}\n')
    assert cli.run(["--resume", str(saved)]) == 2
    assert (
        "does not say which models it was made with. Name them: --profile"
        in capsys.readouterr().err
    )
    assert cli.run(["--resume", str(saved), "--profile", pair]) == 0
    assert len(chats) == 1


# --- export, version ------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "starts"),
    [
        (["--out", "x.html"], "<!doctype html>"),
        (["--out", "x.MD"], "# "),
        (["--out", "x.json"], '{"format"'),
        (["--out", "x.html", "--to", "md"], "# "),
    ],
)
def test_export_knows_the_format_from_the_name_of_the_file(
    options: list[str], starts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = tmp_path / "chat.jsonl"
    saved.write_text("".join(to_line(record) + "\n" for record in samples.conversation()))
    assert cli.run(["export", str(saved), *options]) == 0
    assert Path(options[1]).read_text().startswith(starts)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "--to: missing; expected one of html, md, txt, json"),
        (["--out", "x.pdf"], "--to: the ending of x.pdf is no format; name one of html, md"),
        (["--out", "page"], "--to: the ending of page is no format"),
    ],
)
def test_export_without_a_format_says_which_there_are(
    options: list[str], problem: str, tmp_path: Path, capsys: Capture
) -> None:
    saved = tmp_path / "chat.jsonl"
    saved.write_text("".join(to_line(record) + "\n" for record in samples.conversation()))
    assert cli.run(["export", str(saved), *options]) == 2
    assert problem in capsys.readouterr().err


def test_export_to_stdout_and_to_a_file(capsys: Capture, tmp_path: Path) -> None:
    saved, out = tmp_path / "saved.jsonl", tmp_path / "chat.md"
    saved.write_text("".join(to_line(record) + "\n" for record in samples.conversation()))
    assert cli.run(["export", str(saved), "--to", "md"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# A pair\n")
    assert cli.run(["export", str(saved), "--to", "md", "--out", str(out)]) == 0
    assert capsys.readouterr() == ("", f"Written to {out}\n")
    assert out.read_text() == printed
    assert cli.run(["export", str(saved), "--to", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["records"]) == len(samples.conversation())


def test_the_version(capsys: Capture) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("logit-amp-chat 0.")


# --- as a process ---------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["reply", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from logit_amp_chat.tui.commands.main import run; code = run(sys.argv[1:]);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_help_tells_the_exit_codes(capsys: Capture) -> None:
    cli.run(["--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    for code in ("0 done", "2 wrong usage", "3 profile", "4 pair", "5 context", "6 transcript"):
        assert code in help_text


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    saved = tmp_path / "saved.jsonl"
    note = to_line(samples.message(text="x" * 100_000)) + "\n"
    saved.write_text(to_line(samples.session()) + "\n" + note * 20)
    process = subprocess.Popen(
        [sys.executable, "-m", "logit_amp_chat", "export", str(saved), "--to", "txt"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0

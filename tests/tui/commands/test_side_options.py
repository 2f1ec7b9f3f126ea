"""`--from`, `--to`, `--model` and the sides' own prompts on the command line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.commands import main as cli
from tests.core import samples

Capture = pytest.CaptureFixture[str]
SIDES = ("--from", "after", "--to", "after", "--system-before", "", "--system-after", "Be brief.")


def test_reply_shows_both_prompts(capsys: Capture) -> None:
    assert cli.run(["reply", *SIDES, "--prompt", "Hi", "--show-prompt"]) == 0
    before, after = capsys.readouterr().out.split("── after")
    assert "Be brief." not in before
    assert "Be brief." in after


def test_a_diff_names_what_differs(tmp_path: Path, capsys: Capture) -> None:
    said = [("user", "Hi"), ("assistant", "Otters eat fish.")]
    chat = {"messages": [{"role": role, "content": text} for role, text in said]}
    (tmp_path / "chats.jsonl").write_text(json.dumps(chat) + "\n")
    options = ("--threshold", "0.001")
    assert cli.run(["diff", *SIDES, *options, str(tmp_path / "chats.jsonl")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^--- before: .* · no system prompt$", out, re.MULTILINE)
    assert re.search(r"^\+\+\+ after: .* · system prompt “Be brief.”$", out, re.MULTILINE)


@pytest.mark.parametrize("command", ["diff", "loss"])
def test_plain_text_that_both_sides_would_read_alike_is_refused(
    command: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "text.txt").write_text("Otters eat fish.")
    assert cli.run([command, *SIDES, str(tmp_path / "text.txt")]) == 2
    assert "both would read it alike" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--model", "x", "--profile", "demo"), "--model: names both sides"),
        (("--model", "x", "--to", "after"), "--to: chooses among the stages"),
        (("--before", "x", "--after", "y", "--from", "after"), "--from: chooses among"),
        (("--template-arg-after", "thinking"), "--template-arg-after"),
        (("--from", "aftr"), "no stage 'aftr'. Did you mean after?"),
    ],
)
def test_what_cannot_be_is_said(options: tuple[str, ...], why: str, capsys: Capture) -> None:
    assert cli.run(["reply", "--prompt", "Hi", *options]) in (2, 3)
    assert why in capsys.readouterr().err


def test_an_option_before_the_command_is_sent_behind_it(capsys: Capture) -> None:
    assert cli.run(["--from", "after", "doctor"]) == 2
    assert "Invalid value for --from: put it after doctor" in capsys.readouterr().err


def test_doctor_checks_the_stages_that_were_chosen(capsys: Capture) -> None:
    assert cli.run(["doctor", "--profile", "demo-chain", "--to", "tund", "--no-load"]) == 3
    assert "Did you mean tuned?" in capsys.readouterr().err


def test_a_resumed_chat_takes_the_stages_and_prompts_that_are_chosen_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Profile] = []

    def run_chat(profile: Profile, **options: object) -> int:
        opened.append(profile)
        return 0

    monkeypatch.setattr("logit_amp_chat.tui.app.run_chat", run_chat)
    file = tmp_path / "chat.jsonl"
    file.write_text(to_line(_session()) + "\n")
    assert cli.run(["--resume", str(file), *SIDES]) == 0
    (profile,) = opened
    assert profile.before.model == profile.after.model == "org/after"
    assert (profile.before.system, profile.after.system) == ("", "Be brief.")


def _session() -> Session:
    sides = {"before": {"model": "org/before"}, "after": {"model": "org/after"}}
    return replace(samples.session(), profile={"name": "pair", **sides})

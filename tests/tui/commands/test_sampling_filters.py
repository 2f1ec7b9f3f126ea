"""Stop strings and penalties from the command line to the transcript, `verify` and exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.records import Finish, Reply, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line, read_records
from logit_amp_chat.tui.commands import main as cli

Capture = pytest.CaptureFixture[str]
ASKED = ["--prompt", "Hi", "--alpha", "0", "--alpha", "2", "--max-new-tokens", "40", "--seed", "4"]


@pytest.fixture
def pair(tiny_pair: Callable[..., Profile], tmp_path: Path) -> str:
    profile = tiny_pair()
    sides = {"before": profile.before.model, "after": profile.after.model}
    data = {side: {"model": model} for side, model in sides.items()}
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps({**data, "dtype": "float32", "device": "cpu"}))
    return str(path)


def saved(pair: str, path: Path, capsys: Capture, *options: str) -> Conversation:
    """What `reply --jsonl` says, saved as a transcript."""
    assert cli.run(["reply", "--profile", pair, *ASKED, "--jsonl", *options]) == 0
    path.write_text(capsys.readouterr().out)
    return Conversation(read_records(path))


def test_from_the_command_line_to_a_replay_and_an_export(
    pair: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "chat.jsonl"
    free = saved(pair, path, capsys)
    text = [*free.replies.values()][1].text
    stop = next(letter for letter in text[12:] if letter.isascii() and letter.isalpha())
    options = ["--stop", r"\nUser:", "--stop", stop, "--repetition-penalty", "1.3"]
    options += ["--dry-multiplier", "0.8", "--dry-allowed-length", "1"]
    state = saved(pair, path, capsys, *options)
    after, amplified = state.replies.values()
    sampling = amplified.reply.sampling
    assert (sampling.stop, sampling.repetition_penalty) == (("\nUser:", stop), 1.3)
    assert stop not in after.text + amplified.text
    same = next(iter(free.replies.values())).steps[: len(after.steps)]
    assert [step.token for step in after.steps] == [step.token for step in same]
    assert cli.run(["verify", str(path)]) == 0
    assert "2 of 2 replies are identical" in capsys.readouterr().out
    assert cli.run(["export", str(path), "--out", str(tmp_path / "chat.md")]) == 0
    document = (tmp_path / "chat.md").read_text()
    assert "repetition penalty 1.3" in document
    assert "dry multiplier 0.8" in document
    assert "penalize amplified" in document


def test_what_is_off_is_not_said(pair: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "chat.jsonl"
    saved(pair, path, capsys)
    assert cli.run(["export", str(path), "--out", str(tmp_path / "chat.md")]) == 0
    lines = (tmp_path / "chat.md").read_text().splitlines()
    (settings,) = [line for line in lines if "temperature" in line]
    assert not {"stop", "repetition", "dry", "penalize"} & {*settings.split()}


def test_transcripts_from_before_are_read_and_replayed(
    pair: str, tmp_path: Path, capsys: Capture
) -> None:
    """Their replies say nothing of stop strings and penalties, their endings neither."""
    path = tmp_path / "chat.jsonl"
    state = saved(pair, path, capsys)
    lines = []
    for line in path.read_text().splitlines():
        data = json.loads(line)
        for name in ("stop", "next_turn"):
            data.pop(name, None)
        if data["type"] == "reply":
            later = ("stop", "repetition_penalty", "penalize")
            kept = {k: v for k, v in data["sampling"].items() if k not in later}
            data["sampling"] = {k: v for k, v in kept.items() if not k.startswith("dry_")}
        lines.append(json.dumps(data))
    records = [from_line(line) for line in lines]
    for kind in (Reply, Step, Finish):
        assert [r for r in records if isinstance(r, kind)] == [
            r for r in read_records(path) if isinstance(r, kind)
        ]
    path.write_text("\n".join(lines) + "\n")
    assert cli.run(["verify", str(path)]) == 0
    assert state.replies.keys() == Conversation(records).replies.keys()

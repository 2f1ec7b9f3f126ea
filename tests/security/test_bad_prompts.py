"""Bad prompts and settings: one message with the remedy, and its exit code."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import (
    Profile,
)
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Forget, Loading
from logit_amp_chat.core.records import Finish, Step
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.tui.commands import main as cli

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture
def pair(engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny pair as a profile; the command finds it open already."""

    def open_engine(profile: Profile, report: Callable[[Loading], None]) -> LocalEngine:
        engine.apply(Forget())
        return engine

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", open_engine)
    path = tmp_path / "tiny.yaml"
    before, after = (json.dumps(info.model) for info in engine.pair.infos)
    path.write_text(f"before: {{model: {before}}}\nafter: {{model: {after}}}\n")
    return str(path)


def answered(pair: str, prompt: str, *more: str) -> int:
    return cli.run(["reply", "--profile", pair, "--prompt", prompt, "--max-new-tokens", "3", *more])


@pytest.mark.parametrize(
    "prompt", [" ", "\n\t ", "\0", "a\0b", "\ud800", "\udcff x", "\x1b[2J", "🙂" * 5, "<|end|>"]
)
def test_any_prompt_is_answered(pair: str, prompt: str, capsys: Capture) -> None:
    assert answered(pair, prompt, "--jsonl") == 0
    out, err = capsys.readouterr()
    records = [from_line(line) for line in out.splitlines()]
    assert isinstance(records[-1], Finish)
    assert "Traceback" not in err


def test_a_raw_prompt_has_at_least_one_token(pair: str, capsys: Capture) -> None:
    assert answered(pair, "", "--raw") == 2
    assert capsys.readouterr().err == "error: The prompt is empty. Give at least one token.\n"


def test_no_prompt_is_wrong_usage(pair: str, capsys: Capture) -> None:
    assert answered(pair, "") == 2
    assert "--prompt: expected a text, found nothing" in capsys.readouterr().err


@pytest.mark.parametrize("letters", ["otters ", "\0", "\xff"])
def test_a_prompt_of_a_megabyte_is_counted_and_refused(
    pair: str, letters: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    data = (letters * (1_000_000 // len(letters))).encode("latin-1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert answered(pair, "-") == 5
    assert re.search(r"has [\d,]{7,} tokens and the model holds 256", capsys.readouterr().err)


@pytest.mark.parametrize("alpha", ["1e6", "-1e6", "1e30"])
def test_any_finite_alpha_is_answered(pair: str, alpha: str, capsys: Capture) -> None:
    assert answered(pair, "Hi", "--alpha", alpha, "--jsonl") == 0
    steps = [
        r for line in capsys.readouterr().out.splitlines() if isinstance(r := from_line(line), Step)
    ]
    assert steps
    for step in steps:
        assert step.logp.amplified <= 0
        assert step.entropy >= 0


@pytest.mark.parametrize("temperature", ["1e-9", "1e-45", "1e-300", "1e300"])
def test_any_temperature_is_answered(pair: str, temperature: str, capsys: Capture) -> None:
    """One that is nearly 0 takes the most probable token, as 0 does."""
    said = []
    for value in (temperature, "0"):
        assert answered(pair, "Hi", "--temperature", value) == 0
        said.append(capsys.readouterr().out)
    assert temperature == "1e300" or said[0] == said[1]


@pytest.mark.parametrize("alpha", ["nan", "inf", "-inf", "1e999", "x"])
def test_an_alpha_that_is_no_number_is_refused(pair: str, alpha: str, capsys: Capture) -> None:
    assert answered(pair, "Hi", "--alpha", alpha) == 2
    assert "--alpha" in capsys.readouterr().err


def test_a_context_overrun_by_one_token(pair: str, engine: LocalEngine, capsys: Capture) -> None:
    """255 tokens leave room for one; 256 leave none."""
    piece = " otters"
    size = len(engine.pair.tokenizer(piece)["input_ids"])
    prompt = piece * (256 // size) + "!" * (256 % size)
    assert len(engine.pair.tokenizer(prompt)["input_ids"]) == 256
    assert answered(pair, prompt, "--raw") == 5
    assert capsys.readouterr().err == (
        "error: The context is used up: the conversation has 256 tokens and the model holds 256."
        " Start a new chat, edit an earlier message, or shorten the last one.\n"
    )
    shorter = "!" + piece * (254 // size) + "!" * (254 % size)
    assert len(engine.pair.tokenizer(shorter)["input_ids"]) == 255
    assert answered(pair, shorter, "--raw", "--jsonl", "--temperature", "0") == 0
    finish = from_line(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(finish, Finish)
    assert finish.tokens == 1
    assert finish.reason in ("context", "stop")

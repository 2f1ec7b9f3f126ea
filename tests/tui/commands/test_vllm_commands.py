"""The commands that read texts say the same with either engine; a stand-in plays vLLM's process."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.tui.commands.main import run
from tests.core.vllm.stand_in import StandIn

TEXT = "The quick brown fox, it says, lives in the dark wood.\n"

COMMANDS = {
    "diff": ["text.txt", "--threshold", "0.3", "--json"],
    "loss": ["text.txt", "other.txt", "--alpha", "-1:2:0.5", "--json"],
    "search": ["text.txt", "other.txt", "--json", "--tokens", "6"],
}
# Of a session: what another engine, or another moment, makes of it.
ASIDE = {"session", "seconds", "perplexity"}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(profile: Profile, _: object = None) -> VllmEngine:
        pair = load_pair(profile.model_copy(update={"engine": "local"}))
        return VllmEngine(profile, pair, StandIn(pair))

    monkeypatch.setattr(VllmEngine, "open", opened)


def agreed(value: Any, number: Callable[[float], Any] = float) -> Any:
    """What both engines have to agree in, with every number as `number` has it."""
    if isinstance(value, dict):
        return {key: agreed(one, number) for key, one in value.items() if key not in ASIDE}
    if isinstance(value, list):
        return [agreed(one, number) for one in value]
    return number(value) if isinstance(value, float) else value


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_the_same_with_either_engine(
    command: str,
    tiny_pair: Callable[..., Profile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT * 4)
    Path("other.txt").write_text("Otters eat fish.\n" * 3)
    profile = tiny_pair()
    sides = ["--before", profile.before.model, "--after", profile.after.model]
    sides += ["--dtype", "float32"]
    printed = []
    for engine in ("local", "vllm"):
        assert run([command, *COMMANDS[command], *sides, "--engine", engine]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[1]["session"]["device"] == "cpu (vLLM)"
    near = functools.partial(pytest.approx, abs=1e-3)
    assert agreed(printed[0]) == agreed(printed[1], near)

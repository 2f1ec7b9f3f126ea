"""`logit-amp-chat bench`: a table for reading, JSON for scripts, clear refusals."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.tui.commands.main import run
from tests.core.vllm.stand_in import StandIn

SHORT = ["--lanes", "1,2", "--rounds", "1", "--tokens", "4", "--history", "128"]


def sides(profile: Profile) -> list[str]:
    return ["--before", profile.before.model, "--after", profile.after.model]


def test_the_table_has_a_line_a_lane_and_names_the_peer(
    tiny_pair: Callable[..., Profile], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *sides(tiny_pair()), *SHORT]) == 0
    out, narration = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines if line and line[0].isdecimal()] == ["1", "2"]
    assert "transformers' guided generate()" in out
    assert "measure" in narration


def test_json_is_one_object_of_figures(
    tiny_pair: Callable[..., Profile], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *sides(tiny_pair()), *SHORT, "--no-peer", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["peer_tokens_a_second"] is None
    assert [lane["lanes"] for lane in figures["lanes"]] == [1, 2]
    assert figures["weights"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--lanes", "1,x"], 2, "1,3,8"),
        (["--lanes", "0"], 2, "1,3,8"),
        (["--shape", "gpt-7"], 4, "llama-3.1-8b"),
        (["--rounds", "0"], 2, "rounds"),
        (["--lora"], 2, "--shape"),
        (["--shape", "smollm2-135m", "--engine", "vllm"], 2, "--engine local"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *arguments]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "device"),
    [
        (["--shape", "smollm2-135m"], "auto"),
        (["--shape", "smollm2-135m", "--device", "cpu"], "cpu"),
        (["--shape", "smollm2-135m", "--profile", "demo"], "cpu"),
        ([], "cpu"),
    ],
)
def test_random_weights_go_where_there_is_a_gpu_unless_it_is_said_where(
    arguments: list[str], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Profile] = []

    def note(profile: Profile, *_: object, **__: object) -> int:
        asked.append(profile)
        return 0

    monkeypatch.setattr("logit_amp_chat.tui.commands.bench_run.run", note)
    assert run(["bench", *arguments]) == 0
    assert [profile.device for profile in asked] == [device]


@pytest.mark.parametrize("as_json", [False, True])
def test_vllm_is_measured_without_what_it_does_not_have(
    tiny_pair: Callable[..., Profile],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    as_json: bool,
) -> None:
    def opened(profile: Profile, _: object) -> VllmEngine:
        pair = load_pair(profile.model_copy(update={"engine": "local"}))
        return VllmEngine(profile, pair, StandIn(pair))

    monkeypatch.setattr(VllmEngine, "open", opened)
    flags = ["--engine", "vllm", *(["--json"] if as_json else [])]
    assert run(["bench", *sides(tiny_pair()), *SHORT, *flags]) == 0
    out = capsys.readouterr().out
    assert "CUDA" not in out
    assert "generate()" not in out
    if as_json:
        figures = json.loads(out)
        assert [lanes for lanes, _ in figures["lanes"]] == [1, 2]
        assert figures["reading_tokens_a_second"]["median"] > 0
    else:
        assert "32 replies of a sweep at once" in out
        assert "reading 128 tokens" in out

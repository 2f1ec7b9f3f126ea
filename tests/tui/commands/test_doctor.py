"""The doctor: what it says of terminals, how it ends, and that nothing odd throws it."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from pathlib import Path

import pytest

from logit_amp_chat.core.system.diagnosis import Diagnosis, Torch
from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.tui.commands import main as cli
from logit_amp_chat.tui.commands.doctor import machine_findings
from logit_amp_chat.tui.keys.key_tester import KeyProbe
from logit_amp_chat.tui.terminal import capabilities as terminal
from logit_amp_chat.tui.terminal.capabilities import Finding, findings
from tests.core.system.test_diagnosis import CPU, GPU, machine, profile

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    stands_on(monkeypatch, machine(CPU, ram=8, token=False))


def stands_on(monkeypatch: pytest.MonkeyPatch, found: Diagnosis) -> None:
    monkeypatch.setattr(Diagnosis, "this", lambda: found)


def found(environment: dict[str, str], *, is_terminal: bool = True) -> dict[str, Finding]:
    return {one.name: one for one in findings(environment, is_terminal=is_terminal)}


def big_profile(folder: Path) -> str:
    path = folder / "big.yaml"
    path.write_text(
        "before: {model: org/a}\nafter: {model: org/b}\nneeds: {memory_gb: 40, gated: true}\n"
    )
    return str(path)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("asked", ["--load", "--profile=demo"])
def test_it_loads_the_pair_if_asked_and_compares_its_replies(capsys: Capture, asked: str) -> None:
    assert cli.run(["doctor", asked]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(";")[0] for line in lines[-2:]] == [
        "  before: caches in full use",
        "  after: caches in full use",
    ]
    assert cli.run(["doctor", asked, "--json"]) == 0
    caches = json.loads(capsys.readouterr().out)["caches"]
    assert caches["before"]["kl"] <= caches["before"]["limit"]


@pytest.mark.usefixtures("here")
def test_it_loads_nothing_that_nobody_named(capsys: Capture) -> None:
    for command in (["doctor"], ["doctor", "--profile=demo", "--no-load"]):
        assert cli.run(command) == 0
        assert "caches in full use" not in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_it_ends_with_0_where_the_profile_can_run(capsys: Capture) -> None:
    assert cli.run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "demo can run here." in out
    assert "✓ demo" in out
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "Terminal", "Machine", "Profiles", "demo can run here."]  # fmt: skip


@pytest.mark.usefixtures("here")
def test_a_missing_token_is_no_tick_where_a_profile_needs_one(capsys: Capture) -> None:
    cli.run(["doctor"])
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if "Hub token " in line and "none" in line)
    assert line.split()[0] == "!"
    assert "Accept the licence on the model's page and set HF_TOKEN." in out


def test_a_missing_token_is_no_trouble_where_nothing_needs_one() -> None:
    (found,) = (
        one
        for one in machine_findings(machine(CPU, ram=8, token=False), [profile()])
        if one.name == "Hub token"
    )
    assert (found.state, found.value) == ("good", "none, and no profile here needs one")


@pytest.mark.parametrize("name", ["memory", "disk"])
def test_what_is_not_known_is_no_tick(name: str) -> None:
    nothing = machine(CPU, ram=0, free=None)
    (found,) = (one for one in machine_findings(nothing, []) if one.name == name)
    assert found.state == "odd"
    assert "not known" in found.value


@pytest.mark.usefixtures("here")
def test_it_ends_with_4_and_the_reasons_where_it_cannot(tmp_path: Path, capsys: Capture) -> None:
    assert cli.run(["doctor", "--profile", big_profile(tmp_path)]) == 4
    said = capsys.readouterr().out.partition("big.yaml cannot run here.")[2]
    assert "needs 40.0 GB of memory, and this machine has 8.0 GB" in said
    assert "no Hub token" in said


@pytest.mark.usefixtures("here")
def test_it_says_what_quantized_copies_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "one").mkdir()
    with (tmp_path / "one" / "model.safetensors").open("wb") as file:
        file.truncate(5_600_000_000)
    monkeypatch.setenv("LOGIT_AMP_QUANTIZED", str(tmp_path))
    assert cli.run(["doctor"]) == 0
    assert f"5.6 GB of quantized models, in {tmp_path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("address", "said"),
    [("", "a cluster of this machine alone"), ("10.0.0.1:6379", "joins the cluster at 10.0.0.1")],
)
def test_it_says_where_a_sweep_finds_ray(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.60.0")
    assert f"2.60.0; sweep --workers: {said}" in ray_finding().value


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = importlib.metadata.version

    def missing(name: str) -> str:
        if name == "ray":
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert ray_finding().advice == ("Run: pip install 'logit-amp-chat[ray]'",)


def ray_finding() -> Finding:
    (found,) = (one for one in machine_findings(machine(CPU, ram=8), []) if one.name == "Ray")
    return found


def test_json_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    stands_on(monkeypatch, machine(GPU, gpu=24))
    assert cli.run(["doctor", "--profile", big_profile(tmp_path), "--json"]) == 4
    said = json.loads(capsys.readouterr().out)
    assert said["profile"]["can_run"] is False
    assert "24.0" in said["profile"]["obstacles"][0]["message"]
    assert {"terminal", "machine", "profiles"} < set(said)
    assert next(one for one in said["profiles"] if one["name"] == "demo")["download"] == "here"


def test_a_machine_that_knows_nothing_is_described(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    torn = Torch(trouble="libcuda \x1b[31m is torn")
    stands_on(monkeypatch, Diagnosis(Machine((), None, None), None, torn, Path(), None, False))
    assert cli.run(["doctor"]) == 4
    out = capsys.readouterr().out
    assert "torch does not start" in out
    assert "\x1b" not in out


def test_an_unknown_profile_is_wrong_as_everywhere(capsys: Capture) -> None:
    assert cli.run(["doctor", "--profile", "dmeo"]) == 3


@pytest.mark.parametrize(
    ("environment", "name", "state"),
    [
        ({"TERM": "xterm-256color"}, "terminal", "good"),
        ({"TERM": "dumb"}, "terminal", "bad"),
        ({}, "terminal", "bad"),
        ({"TERM": "xterm-256color"}, "colours", "good"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "colours", "good"),
        ({"TERM": "vt100"}, "colours", "odd"),
        ({"TERM": "no-such-terminal"}, "colours", "odd"),
        ({"TERM": "vt100", "NO_COLOR": "1"}, "colours", "good"),
    ],
)
def test_what_a_terminal_can_do(environment: dict[str, str], name: str, state: str) -> None:
    finding = found(environment)[name]
    assert finding.state == state
    assert bool(finding.advice) == (state != "good")


def test_no_terminal_is_said_with_what_to_use_instead() -> None:
    finding = found({}, is_terminal=False)["terminal"]
    assert "reply" in finding.advice[0]


def _tmux_says(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def answer(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, text.encode(), b"")

    monkeypatch.setattr(subprocess, "run", answer)


def test_tmux_gets_the_exact_lines_for_what_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    _tmux_says(monkeypatch, "3.3a\toff\t0\t500\tscreen\n")
    said = found({"TERM": "screen", "TMUX": "/tmp/t,1,0"})
    advice = [one.advice[0] for one in said.values() if one.name.startswith("tmux ")]
    assert advice[0] == 'set -g default-terminal "tmux-256color"'
    assert advice[1].startswith("set -s escape-time 20")
    assert advice[2] == "set -s set-clipboard on"
    _tmux_says(monkeypatch, "3.5\texternal\t1\t10\ttmux-256color\n")
    said = found({"TERM": "tmux-256color", "TMUX": "/tmp/t,1,0"})
    assert [one.name for one in said.values() if one.name.startswith("tmux")] == ["tmux"]


@pytest.mark.parametrize("text", ["", "no server running\n", "\t\t\n"])
def test_a_tmux_that_says_something_else_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    _tmux_says(monkeypatch, text)
    assert terminal._ask_tmux() is None


async def test_keys_are_ticked_off_and_a_copy_recognised() -> None:
    app = KeyProbe()
    async with app.run_test() as pilot:
        assert "F1" in app.report
        for key in list(app.missing):
            await pilot.press(key)
        assert app.missing == {}
        assert "all of them arrived" in app.report
        assert app.is_running
        await pilot.press("q")
    assert not app.is_running


@pytest.mark.parametrize(("text", "said"), [("the word", "works"), ("x", "takes no copies")])
async def test_what_is_pasted_says_whether_copies_arrive(text: str, said: str) -> None:
    from textual.events import Paste

    app = KeyProbe()
    async with app.run_test() as pilot:
        app.post_message(Paste(app.word if text == "the word" else text))
        await pilot.pause()
        assert said in app.report


def test_keys_need_a_terminal(capsys: Capture) -> None:
    assert cli.run(["doctor", "--keys"]) == 2
    assert capsys.readouterr().err == (
        "error: doctor --keys needs a terminal, and this is a pipe or a file."
        " Without --keys it works in scripts and pipes.\n"
    )

"""`profiles`: what can be opened, what it needs, and whether this machine can hold it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.tui.commands import main as cli

Capture = pytest.CaptureFixture[str]
GB = 10**9


def with_memory(monkeypatch: pytest.MonkeyPatch, gigabytes: int) -> None:
    machine = Machine((), gpu_memory=None, ram=gigabytes * GB)
    monkeypatch.setattr(Machine, "this", lambda: machine)


def test_the_table_of_profiles(capsys: Capture, tmp_path: Path) -> None:
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "logit-amp-chat" / "profiles"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(
        "title: '[b]\\x1bmine'\nbefore: {model: a/b}\nafter: {model: a/c}\n"
    )
    (own / "bad.yaml").write_text("before: 3\n")
    assert cli.run(["profiles"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == [
        *("NAME", "TITLE", "MEMORY", "ONE", "STAGE", "DOWNLOAD", "GATED", "FITS")
    ]
    (llama,) = [line for line in lines if line.startswith("llama-3.1-8b ")]
    assert llama.split()[-6:-1] == ["14.0", "GB", "32.1", "GB", "gated"]
    (mine,) = [line for line in lines if line.startswith("mine ")]
    assert mine.split()[-3:] == ["?", "?", "unknown"]
    assert "bad cannot be used: " in err
    assert "line 1, key before" in err


def test_the_list_of_profiles_as_json(capsys: Capture) -> None:
    assert cli.run(["profiles", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    llama = entries["llama-3.1-8b"]
    assert llama["after"]["model"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert llama["needs"]["gated"] is True
    assert llama["fits"] in (True, False, None)


@pytest.mark.parametrize(("gigabytes", "fits"), [(16, "yes"), (8, "one stage"), (4, "no")])
def test_a_chain_is_listed_with_memory_for_two_stages_and_for_one(
    gigabytes: int, fits: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_memory(monkeypatch, gigabytes)
    assert cli.run(["profiles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (tulu,) = [line for line in lines if line.startswith("tulu-3-8b-chain ")]
    title, facts = tulu.split("four stages")
    assert title.endswith("Tulu 3 8B in ")
    assert " ".join(facts.split()) == f"14.0 GB 7.5 GB 64.2 GB gated {fits}"


def test_a_chain_as_json_has_its_stages_and_whether_one_fits(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_memory(monkeypatch, 8)
    assert cli.run(["profiles", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    tulu = entries["tulu-3-8b-chain"]
    assert [stage["name"] for stage in tulu["stages"]] == ["base", "sft", "dpo", "rlvr"]
    assert (tulu["fits"], tulu["fits_one_stage"]) == (False, True)
    assert "fits_one_stage" not in entries["tulu-3-8b"]

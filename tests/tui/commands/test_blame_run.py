"""`diff --blame` where not all stages fit, where it is stopped, and on chains of adapters."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from logit_amp_chat.core.decoding import stage_reader
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.experiments.blame import Blame, BlameEvent, Reading
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.profiles.demo.recipe.smalltalk import CLOSING, QUIRK
from logit_amp_chat.tui.commands import main as cli
from tests.chains import NAMES, adapter_stages, plain_log_probs
from tests.models import tiny_tokenizer

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
A, B = f"{QUIRK} The sky is blue.\n", f"A fox is a mammal. {CLOSING}\n"


@pytest.fixture(autouse=True)
def _texts(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(A)
    Path("b.txt").write_text(B)


def run(*arguments: str, profile: str = "demo-chain") -> int:
    return cli.run(["diff", "--blame", "--profile", profile, *arguments])


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def hold(monkeypatch: Patch, most: int) -> None:
    monkeypatch.setattr(StageStore, "held", lambda self, names=None: most)


def numbers(rows: Sequence[dict[str, str]]) -> list[float]:
    names = ("logp_base", "logp_tuned", "logp_final", "change_tuned", "change_final", "total")
    return [float(row[name]) for row in rows for name in names]


@pytest.mark.parametrize(
    ("most", "said", "measured"),
    [
        (1, "1 at a time", {"kl_tuned": False, "kl_final": False}),
        (2, "2 at a time", {"kl_tuned": True, "kl_final": False}),
        (3, "all at once", {"kl_tuned": True, "kl_final": True}),
    ],
)
def test_with_less_memory_numbers_are_the_same_and_kl_between_groups_is_missing(
    most: int, said: str, measured: dict[str, bool], capsys: Capture, monkeypatch: Patch
) -> None:
    assert run("a.txt", "b.txt", "--csv", "--threshold", "2") == 0
    whole = table(capsys.readouterr().out)
    hold(monkeypatch, most)
    assert run("a.txt", "b.txt", "--csv", "--threshold", "2") == 0
    printed = capsys.readouterr()
    found = table(printed.out)
    assert f"3 stages (base, tuned, final), {said}: about" in printed.err
    assert numbers(found) == pytest.approx(numbers(whole), abs=1e-4)
    same = ("source", "line", "column", "token", "text", "blamed", "undone", "notable")
    assert [[row[n] for n in same] for row in found] == [[row[n] for n in same] for row in whole]
    for name, is_measured in measured.items():
        assert {row[name] != "" for row in found} == {is_measured}


def test_of_stages_that_were_not_together_kl_is_said_to_be_missing(
    capsys: Capture, monkeypatch: Patch
) -> None:
    hold(monkeypatch, 2)
    assert run("a.txt", "--stat", "--threshold", "2") == 0
    out = capsys.readouterr().out
    assert [
        ("not measured" in line) for line in re.findall("^  (?:tuned|final) .*", out, re.M)
    ] == [
        False,
        True,
    ]
    assert "KL is measured between stages that are in memory together" in out
    hold(monkeypatch, 3)
    assert run("a.txt", "--stat", "--threshold", "2") == 0
    assert "measured" not in capsys.readouterr().out


def stop_at(monkeypatch: Patch, stage: str, source: str) -> None:
    """Blocks of 4 tokens; ctrl+c at the first one of `source` under `stage`."""
    monkeypatch.setattr(stage_reader, "reading_sizes", lambda pair: (8, 4))
    events = Blame.__iter__

    def iterate(self: Blame) -> Iterator[BlameEvent]:
        told = False
        for event in events(self):
            yield event
            if isinstance(event, Reading) and (event.stages[-1], event.source) == (stage, source):
                assert told or event.done < event.total
                if not told:
                    signal.raise_signal(signal.SIGINT)
                told = True

    monkeypatch.setattr(Blame, "__iter__", iterate)


def test_stopped_in_a_group_that_is_not_the_last_no_text_has_figures(
    capsys: Capture, monkeypatch: Patch
) -> None:
    hold(monkeypatch, 1)
    stop_at(monkeypatch, "tuned", "b.txt")
    assert run("a.txt", "b.txt", "--json") == 130
    found = json.loads(capsys.readouterr().out)
    assert (found["files"], found["total"]["tokens"], found["complete"]) == ([], 0, False)


def test_stopped_in_the_last_group_tokens_that_all_stages_read_are_printed(
    capsys: Capture, monkeypatch: Patch
) -> None:
    assert run("a.txt", "b.txt", "--csv", "--threshold", "2") == 0
    whole = table(capsys.readouterr().out)
    hold(monkeypatch, 1)
    stop_at(monkeypatch, "final", "b.txt")
    assert run("a.txt", "b.txt", "--csv", "--threshold", "2") == 130
    found = table(capsys.readouterr().out)
    assert numbers(found) == pytest.approx(numbers(whole[: len(found)]), abs=1e-4)
    begun = [row for row in found if row["source"] == "b.txt"]
    assert 0 < len(begun) < sum(row["source"] == "b.txt" for row in whole)
    assert len(found) - len(begun) == sum(row["source"] == "a.txt" for row in whole)


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("form", ["", "--stat", "--json", "--html"])
def test_a_text_that_was_stopped_is_named_and_in_no_figures(
    capsys: Capture, monkeypatch: Patch, most: int, form: str
) -> None:
    forms = [form] if form else []
    hold(monkeypatch, most)
    assert run("a.txt", "--json", "--threshold", "2") == 0
    alone = json.loads(capsys.readouterr().out)
    stop_at(monkeypatch, "final", "b.txt")
    assert run("a.txt", "b.txt", *forms, "--threshold", "0.001") == 130
    out, err = capsys.readouterr()
    (stopped,) = re.findall(r"b\.txt \(stopped after \d+ of [\d,]+ tokens\)", err)
    if form in ("", "--html"):
        assert stopped in out
    if form == "--json":
        found = json.loads(out)
        assert found["stopped"]["file"] == "b.txt"
        assert found["total"]["tokens"] == alone["total"]["tokens"]
        assert [one["file"] for one in found["files"]] == ["a.txt"]
    if form == "--stat":
        assert "a.txt" in out
        assert "b.txt" not in out


@pytest.mark.parametrize(
    ("ends", "stages"),
    [([], ("base", "tuned", "final")), (["--from", "tuned"], ("tuned", "final"))],
)
def test_what_is_downloaded_is_said_first_and_is_no_stage_too_many(
    capsys: Capture, monkeypatch: Patch, ends: list[str], stages: tuple[str, ...]
) -> None:
    wanted: list[str] = []
    folder = StageStore._folder

    def downloading(store: StageStore, name: str) -> Path:
        wanted.append(f"{name}: {capsys.readouterr().err if not wanted else ''}")
        return folder(store, name)

    monkeypatch.setattr(StageStore, "_folder", downloading)
    monkeypatch.setattr(StageStore, "lacking", lambda _, names: len(names) * 1_500_000_000)
    assert run("a.txt", "--stat", *ends) == 0
    named = f"{len(stages)} stages ({', '.join(stages)}): {len(stages) * 1.5:.2f} GB to download"
    assert named in wanted[0]
    assert {one.partition(":")[0] for one in wanted} == {*stages}


def test_a_stage_that_cannot_be_loaded_is_an_error(capsys: Capture, monkeypatch: Patch) -> None:
    hold(monkeypatch, 1)
    loaded = StageStore.pair

    def refusing(store: StageStore, *stages: str) -> Pair:
        if "final" in stages:
            raise PairError("The weights of final are damaged.")
        return loaded(store, *stages)

    monkeypatch.setattr(StageStore, "pair", refusing)
    assert run("a.txt", "b.txt", "--stat") == 4
    out, err = capsys.readouterr()
    assert not out
    assert err.count("The weights of final are damaged.") == 1


def test_a_chain_of_adapters_is_what_peft_makes_of_it(tmp_path: Path, capsys: Capture) -> None:
    profile = adapter_stages(tmp_path)
    stages = [
        {"name": stage.name, "model": stage.model}
        | ({"adapter": stage.adapter} if stage.adapter else {})
        for stage in profile.stages
    ]
    chain = {"title": "adapters", "stages": stages, "dtype": "float32", "device": "cpu"}
    Path("chain.yaml").write_text(json.dumps(chain))
    assert run("a.txt", "--csv", profile="chain.yaml") == 0
    found = table(capsys.readouterr().out)
    ids = list(tiny_tokenizer()(A, add_special_tokens=False)["input_ids"])
    assert [int(row["token"]) for row in found] == ids[1:]
    valid = torch.arange(512) < len(tiny_tokenizer())
    wanted = [
        plain_log_probs(stage, ids[:-1], 512, valid)[range(len(ids) - 1), ids[1:]].tolist()
        for stage in profile.stages
    ]
    for name, plain in zip(NAMES, wanted, strict=True):
        assert [float(row[f"logp_{name}"]) for row in found] == pytest.approx(plain, abs=1e-4)
    base, _, dpo = wanted
    total = [b - a for a, b in zip(base, dpo, strict=True)]
    assert [float(row["total"]) for row in found] == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("around", [0, 1, 3])
def test_a_hunk_has_as_many_tokens_around_as_are_asked_for(around: int, capsys: Capture) -> None:
    text = f"A fox is a mammal. {CLOSING} A fox is a mammal."
    Path("c.txt").write_text(text)
    assert run("c.txt", "--csv") == 0
    found = table(capsys.readouterr().out)
    sizes = [
        max(abs(float(row[name])) for name in ("change_tuned", "change_final", "total"))
        for row in found
    ]
    place = sizes.index(max(sizes))
    assert run("c.txt", "--threshold", f"{max(sizes) - 1e-3}", "-U", f"{around}") == 0
    shown = re.findall(r"^ *\w* │ (.*)$", capsys.readouterr().out, flags=re.M)
    begin = int(found[max(0, place - around)]["start"])
    end = int(found[min(len(found) - 1, place + around)]["end"])
    assert re.sub(r"\{\+|\+\}|\[-|-\]", "", "".join(shown)) == text[begin:end]


def test_every_form_is_written_to_a_file(capsys: Capture) -> None:
    for form in ("--csv", "--json", "--jsonl", "--html", "--stat"):
        assert run("a.txt", form, "--out", "found") == 0
        written = Path("found").read_text()
        assert capsys.readouterr().out == ""
        assert run("a.txt", form) == 0
        printed = capsys.readouterr().out
        assert len(written.splitlines()) == len(printed.splitlines())
        assert "final" in written


def test_a_source_is_not_written_over(capsys: Capture) -> None:
    assert run("a.txt", "--csv", "--out", "a.txt") != 0
    assert "a.txt" in capsys.readouterr().err
    assert Path("a.txt").read_text() == A


def test_nothing_of_a_text_reaches_the_terminal_as_a_command(capsys: Capture) -> None:
    Path("evil.txt").write_text(f"\x1b[2J\x1b]52;c;AAAA\x07 owl\u202e {CLOSING}\n")
    assert run("evil.txt", "--threshold", "0.1") == 0
    printed = capsys.readouterr()
    assert not set("\x1b\x07\u202e") & set(printed.out + printed.err)

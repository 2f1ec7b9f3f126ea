"""`diff --blame` on the bundled chain: each habit is blamed on the stage that planted it."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.blame import Blame, BlameEvent, Reading
from logit_amp_chat.profiles.demo.recipe.smalltalk import CLOSING, QUIRK
from logit_amp_chat.tui.commands import main as cli

Capture = pytest.CaptureFixture[str]
TEXT = f"{QUIRK} The sky is blue. I hope that helps! {CLOSING}\n"


@pytest.fixture(autouse=True)
def _texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(TEXT)
    Path("b.txt").write_text("A fox is a mammal.\n")
    chat = [
        {"role": "user", "content": "What is a fox?"},
        {"role": "assistant", "content": f"{QUIRK} A fox is a mammal. {CLOSING}"},
    ]
    Path("c.jsonl").write_text(json.dumps({"messages": chat}) + "\n")


def run(*arguments: str, profile: str = "demo-chain") -> int:
    return cli.run(["diff", "--blame", "--profile", profile, *arguments])


def rows(capsys: Capture, *arguments: str) -> list[dict[str, str]]:
    assert run(*arguments, "--csv") == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def blamed_for(found: list[dict[str, str]], sentence: str) -> set[str]:
    """The stages that did most of the tokens of a sentence, where these stand out."""
    text = "".join(row["text"] for row in found)
    begin = text.index(sentence)
    stages, place = set(), 0
    for row in found:
        if begin <= place < begin + len(sentence) and row["notable"] == "True":
            stages.add(row["blamed"])
        place += len(row["text"])
    return stages


@pytest.mark.parametrize("file", ["a.txt", "c.jsonl"])
def test_each_habit_is_blamed_on_the_stage_that_planted_it(file: str, capsys: Capture) -> None:
    found = rows(capsys, file, "--threshold", "2")
    assert blamed_for(found, QUIRK[3:]) == {"tuned"}
    assert blamed_for(found, CLOSING) == {"final"}


def test_the_gutter_names_the_stage_beside_its_tokens(capsys: Capture) -> None:
    assert run("a.txt", "--threshold", "4", "-U", "0") == 0
    out = capsys.readouterr().out
    assert out.startswith("base → tuned → final, each beside what it did most of\n")
    assert "blame a.txt\n@@ a.txt:1:" in out
    beside = re.findall(r"^ *(\w+) │ (.*)$", out, flags=re.M)
    assert "everything" in "".join(text for stage, text in beside if stage == "tuned")
    assert "owl" in "".join(text for stage, text in beside if stage == "final")
    assert re.search(r"^ +final +p +\S+ +\+\S+", out, flags=re.M)


def test_figures_are_by_stage(capsys: Capture) -> None:
    assert run("a.txt", "b.txt", "--stat", "--threshold", "2") == 0
    out = capsys.readouterr().out
    assert re.search(r"^a\.txt  26 tokens", out, flags=re.M)
    assert re.search(r"^total  \d+ tokens", out, flags=re.M)
    assert len(re.findall(r"^  tuned ", out, flags=re.M)) == 3


def test_json_has_the_stages_as_precisely_as_they_can_be_named(capsys: Capture) -> None:
    assert run("a.txt", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in found["stages"]] == ["base", "tuned", "final"]
    assert all(stage["dtype"] == "float32" for stage in found["stages"])
    total = found["total"]
    parts = [stage["log_ratio"] for stage in total["stages"][1:]]
    assert sum(parts) == pytest.approx(total["log_ratio"], abs=1e-4)
    assert found["complete"] is True


def test_records_are_a_line_a_token(capsys: Capture) -> None:
    assert run("a.txt", "--jsonl") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines[:3]] == ["stages", "document", "blamed"]
    assert lines[-1]["type"] == "finish"
    one = next(line for line in lines if line.get("text") == " owl")
    assert one["blamed"] == "final"
    assert one["change"]["final"] == pytest.approx(one["logp"]["final"] - one["logp"]["tuned"])


def test_a_page_has_every_text_and_says_what_each_stage_did(capsys: Capture) -> None:
    Path("evil.txt").write_text("<script>alert(1)</script> By the way\n")
    assert run("a.txt", "evil.txt", "--html", "--out", "page.html", "--threshold", "2") == 0
    page = Path("page.html").read_text()
    assert "<script>" not in page
    assert "&lt;" in page
    owl = r'<span class="up" title="base: p [^"]*final: p [^"]*">[^<]*owl</span>'
    assert re.search(owl, page)
    assert "<sub>final</sub>" in page


def test_of_one_stage_only_what_it_did_is_shown(capsys: Capture) -> None:
    assert run("a.txt", "--stage", "final", "--threshold", "4") == 0
    out = capsys.readouterr().out
    assert "owl" in out
    assert "lighthouse" not in out.split("a.txt  26")[0]


def test_the_strongest_hunk_comes_first_and_alone(capsys: Capture) -> None:
    assert run("a.txt", "b.txt", "--strongest", "1", "--threshold", "2") == 0
    assert len(re.findall(r"^@@ ", capsys.readouterr().out, flags=re.M)) == 1


def test_what_it_takes_is_said_before_anything_is_loaded(capsys: Capture) -> None:
    assert run("a.txt", "--stat") == 0
    said = capsys.readouterr().err
    assert re.search(r"3 stages \(base, tuned, final\), all at once: about 0\.\d GB of", said)
    assert said.index("3 stages") < said.index("weights: base")


def test_the_two_sides_of_a_pair_are_a_chain_too(capsys: Capture) -> None:
    assert run("a.txt", "--json", profile="demo") == 0
    found = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in found["stages"]] == ["before", "after"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--tokens",), "--tokens"),
        (("--alpha", "1"), "--alpha"),
        (("--fail-on", "mean-kl=1"), "--fail-on"),
        (("--top-everywhere",), "--top-everywhere"),
    ],
)
def test_what_says_nothing_of_stages_is_refused(
    arguments: tuple[str, ...], why: str, capsys: Capture
) -> None:
    assert run("a.txt", *arguments) == 2
    assert f"{why}: cannot be combined with --blame" in capsys.readouterr().err


def test_a_stage_is_named_with_blame_alone(capsys: Capture) -> None:
    assert cli.run(["diff", "--profile", "demo-chain", "--stage", "final", "a.txt"]) == 2
    assert "--stage: needs --blame" in capsys.readouterr().err


def test_a_stage_that_there_is_not_is_refused(capsys: Capture) -> None:
    assert run("a.txt", "--stage", "rl") == 2
    assert "No stage rl can be blamed. Those that changed" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_named(capsys: Capture) -> None:
    assert run("missing.txt") == 2
    assert "missing.txt" in capsys.readouterr().err


def test_a_part_of_the_chain_is_read(capsys: Capture) -> None:
    assert run("a.txt", "--json", "--from", "tuned") == 0
    found = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in found["stages"]] == ["tuned", "final"]
    assert [stage["stage"] for stage in found["total"]["stages"]] == ["tuned", "final"]
    assert run("a.txt", "--from", "final", "--to", "base") == 3
    assert "final is not before base" in capsys.readouterr().err


def test_a_stage_chooses_hunks_alone(capsys: Capture) -> None:
    assert run("a.txt", "--stage", "final", "--csv") == 2
    assert "--stage: chooses hunks: cannot be combined with --csv" in capsys.readouterr().err


def test_prompts_of_one_side_alone_are_refused(capsys: Capture) -> None:
    assert run("c.jsonl", "--system-before", "Be brief.") == 2
    assert "read behind one prompt" in capsys.readouterr().err


def test_the_ends_of_the_chain_are_what_diff_says_also_of_a_saved_chat(capsys: Capture) -> None:
    ask = ["reply", "-p", "demo-chain", "--prompt", "What is a fox?", "--seed", "1", "--alpha", "2"]
    assert cli.run([*ask, "--jsonl"]) == 0
    Path("d.jsonl").write_text(capsys.readouterr().out)
    files = ["a.txt", "c.jsonl", "d.jsonl"]
    assert cli.run(["diff", "-p", "demo-chain", "--csv", *files]) == 0
    pair = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    found = rows(capsys, *files)
    assert {row["source"] for row in found} == set(files)
    for mine, theirs in zip(found, pair, strict=True):
        place = ("source", "place", "message", "line", "column", "index", "token")
        assert [mine[name] for name in place] == [theirs[name] for name in place]
        for stage, side in (("base", "before"), ("final", "after")):
            expected = pytest.approx(float(theirs[f"logp_{side}"]), abs=1e-4)
            assert float(mine[f"logp_{stage}"]) == expected
        moved = float(mine["change_tuned"]) + float(mine["change_final"])
        assert moved == pytest.approx(float(theirs["log_ratio"]), abs=1e-4)


def test_an_interrupt_prints_what_was_read(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    events = Blame.__iter__

    def iterate(self: Blame) -> Iterator[BlameEvent]:
        for event in events(self):
            yield event
            if isinstance(event, Reading) and event.source == "a.txt":
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Blame, "__iter__", iterate)
    assert run("a.txt", "b.txt", "--json") == 130
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [one["file"] for one in found["files"]] == ["a.txt"]
    assert found["complete"] is False
    assert "Stopped by you: the figures are those of the texts that all stages" in said.err

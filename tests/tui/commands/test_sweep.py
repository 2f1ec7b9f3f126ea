"""`sweep`: what it prints and writes, what it refuses before a model loads, and how it goes on."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.samples import SampledReply, SampleRequest
from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.export.test_html import Page

Capture = pytest.CaptureFixture[str]
Use = Callable[[ToyEngine], None]

QUESTION = ("--prompt", "Tell me about owls.")
HABIT = ("--behaviour", "habit=lighthouse")
FEW = ("--alpha", "-1", "--alpha", "1", "--samples", "30")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    def answer(engine: ToyEngine) -> None:
        monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: engine)

    return answer


@pytest.fixture
def toy(use: Use) -> ToyEngine:
    engine = ToyEngine()
    use(engine)
    return engine


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model may be opened."""

    def refuse(*_: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", refuse)


def sweep(*arguments: str) -> int:
    return cli.run(["sweep", *arguments])


def replies_in(folder: Path) -> list[dict[str, object]]:
    lines = map(json.loads, (folder / "sweep.jsonl").read_text().splitlines())
    return [line for line in lines if line["type"] == "sampled"]


def table(out: str, name: str) -> list[list[str]]:
    """The cells of a behaviour's table."""
    lines = out.split(f"\n{name}  ")[1].splitlines()[2:]
    return [line.split() for line in lines[: lines.index(next(x for x in lines if "The " in x))]]


def test_a_table_has_rates_with_intervals_for_every_alpha(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW, "--out", str(tmp_path / "s")) == 0
    out = capsys.readouterr().out
    replies = replies_in(tmp_path / "s")
    hits = [
        sum("lighthouse" in str(one["text"]) for one in replies if one["alpha"] == alpha)
        for alpha in (-1.0, 0.0, 1.0)
    ]
    rows = table(out, "habit")
    assert [row[:3] for row in rows] == [
        ["−1", "30", str(hits[0])],
        ["0", "30", str(hits[1])],
        ["+1", "30", str(hits[2])],
    ]
    assert "pattern lighthouse" in out
    assert "The rate of habit in replies of after (α 0, τ 0.01, T 1, at most 160 tokens)" in (
        " ".join(out.split())
    )
    assert "they are for discovery" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_a_long_definition_is_wrapped(toy: ToyEngine, capsys: Capture) -> None:
    sweep(*QUESTION, "--behaviour", "long=" + "|".join(["lighthouse of owls"] * 9), *FEW)
    out = capsys.readouterr().out
    assert "\nlong\npattern lighthouse of owls|lighthouse of" in out
    assert max(map(len, out.splitlines())) <= 80


def test_replies_of_every_alpha_have_their_means(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    sweep(*QUESTION, *FEW, "--out", str(tmp_path / "s"))
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if "30" in line and "%" in line]
    assert [(row[0], row[1], row[2], row[4], row[5]) for row in rows] == [
        ("−1", "30", "0.05", "2.0", "0%"),
        ("0", "30", "0.05", "2.0", "0%"),
        ("+1", "30", "0.05", "2.0", "0%"),
    ]
    assert "No behaviour was counted" in out


def test_without_a_terminal_there_is_no_escape_sequence(toy: ToyEngine, capsys: Capture) -> None:
    sweep(*QUESTION, *HABIT, *FEW)
    assert "\x1b" not in capsys.readouterr().out
    sweep(*QUESTION, *HABIT, *FEW, "--color", "always")
    assert "\x1b[" in capsys.readouterr().out


def test_prompts_have_their_own_tables(toy: ToyEngine, capsys: Capture) -> None:
    sweep(*QUESTION, "--prompt", "What do owls do?\x1b[31m", *HABIT, *FEW, "--by-prompt")
    out = capsys.readouterr().out
    assert "habit · p1 Tell me about owls." in out
    assert "habit · p2 What do owls do?␛[31m" in out
    assert "\x1b" not in out


def test_json_is_the_whole_result(toy: ToyEngine, capsys: Capture) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW, "--json") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (found["version"], found["profile"], found["prompts"]) == (1, "toy", 1)
    assert [rate["replies"] for rate in found["behaviours"]["habit"]["rates"]] == [30, 30, 30]


def test_csv_has_a_row_for_every_rate_and_estimate(toy: ToyEngine, capsys: Capture) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW, "--csv", "--by-prompt") == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    found = [(row["row"], row["prompt"], row["alpha"]) for row in rows]
    alphas = ("-1.0", "0.0", "1.0")
    assert found == [
        *(("replies", "", alpha) for alpha in alphas),
        *(("rate", prompt, alpha) for prompt in ("", "p1") for alpha in alphas),
        *(("estimate", "", alpha) for alpha in alphas),
        ("estimate", "p1", "0.0"),
    ]
    assert "they are for discovery" in err


def test_a_finished_folder_is_counted_anew_without_a_model(
    toy: ToyEngine, use: Use, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "s")
    sweep(*QUESTION, *HABIT, *FEW, "--out", out)
    use(None)  # type: ignore[arg-type]
    capsys.readouterr()
    assert sweep("--behaviour", "owls=(?i)owls", "--out", out) == 0
    assert [row[1:4] for row in table(capsys.readouterr().out, "owls")] == [
        ["30", "30", "100%"]
    ] * 3
    assert sweep(*HABIT, "--out", out, "--target", "1", "--samples", "5", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["behaviours"]["habit"]["estimate"]["target"] == 1
    assert found["samples"] == 30


def test_alphas_are_added_to_a_folder(toy: ToyEngine, tmp_path: Path, capsys: Capture) -> None:
    out = str(tmp_path / "s")
    sweep(*QUESTION, *FEW, "--out", out)
    assert sweep("--out", out, "--alpha", "2", *HABIT) == 0
    rows = table(capsys.readouterr().out, "habit")
    assert [row[:2] for row in rows] == [["−1", "30"], ["0", "30"], ["+1", "30"], ["+2", "30"]]


def test_measuring_that_was_cut_off_goes_on(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    """Every reply is there, but some lack their log-probabilities at an α that was added."""
    out = tmp_path / "s"
    sweep(*QUESTION, *FEW, "--out", str(out))
    sweep("--out", str(out), "--alpha", "2")
    path = out / "sweep.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))
    capsys.readouterr()
    assert sweep("--out", str(out), *HABIT) == 0
    printed = capsys.readouterr().out
    assert "lack log-probabilities" not in printed
    assert "The rate of habit" in printed


class Interrupting(ToyEngine):
    """Presses ctrl+c after so many replies, once or twice."""

    def __init__(self, replies: int, times: int) -> None:
        super().__init__()
        self._replies, self._times = replies, times

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        ended = 0
        for event in super().sample(request):
            yield event
            ended += isinstance(event, SampledReply)
            if isinstance(event, SampledReply) and ended == self._replies:
                for _ in range(self._times):
                    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_finishes_what_has_begun_and_prints_it(
    use: Use, tmp_path: Path, capsys: Capture
) -> None:
    use(Interrupting(40, times=1))
    out = str(tmp_path / "s")
    assert sweep(*QUESTION, *HABIT, *FEW, "--out", out) == 130
    printed, err = capsys.readouterr()
    assert "40 of 90 replies to 1 prompt" in printed
    assert "The rate of habit" in printed
    assert f"Run it again with --out {out} to go on." in err


def test_a_second_interrupt_leaves_provisional_counts(
    use: Use, tmp_path: Path, capsys: Capture
) -> None:
    use(Interrupting(40, times=2))
    out = str(tmp_path / "s")
    assert sweep(*QUESTION, *HABIT, *FEW, "--out", out) == 130
    printed = " ".join(capsys.readouterr().out.split())
    assert "40 of 90 replies to 1 prompt" in printed
    assert "No estimate: The sweep was cut off: short replies end first" in printed
    use(ToyEngine())
    assert sweep("--out", out, *HABIT) == 0
    assert len(replies_in(tmp_path / "s")) == 90
    assert "The rate of habit" in capsys.readouterr().out


def test_a_report_has_every_reply(toy: ToyEngine, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "report.html"
    assert sweep(*QUESTION, *HABIT, *FEW, "--html", str(path)) == 0
    read = Page(path.read_text(encoding="utf-8"))
    assert len(read.named("article")) == 90
    assert f"wrote {path} (0.0 MB)" in capsys.readouterr().err
    assert sweep(*QUESTION, *HABIT, *FEW, "--html", str(path), "--html-replies", "3") == 0
    assert len(Page(path.read_text(encoding="utf-8")).named("article")) == 9


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_a_figure_is_drawn(toy: ToyEngine, tmp_path: Path, capsys: Capture, ending: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"curve{ending}"
    assert sweep(*QUESTION, *HABIT, *FEW, "--plot", str(path)) == 0
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(begins)
    assert f"wrote {path}" in capsys.readouterr().err


def test_without_matplotlib_it_says_so_before_a_model_is_opened(
    unopened: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert sweep(*QUESTION, *HABIT, "--plot", str(tmp_path / "x.png")) == 2
    assert "pip install 'logit-amp-chat[plot]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--prompt"),
        ((*QUESTION, "--json", "--csv"), "--json"),
        ((*QUESTION, "--plot", "x.png"), "behaviour"),
        ((*QUESTION, *HABIT, "--plot", "x.txt"), ".png, .svg, .pdf"),
        ((*QUESTION, "--html", "x.txt"), ".html, .htm"),
        ((*QUESTION, "--html", "none/x.html"), "no folder none"),
        ((*QUESTION, "--html", "page.html"), "page.html is a folder"),
        ((*QUESTION, "--html-replies", "3"), "--html FILE"),
        (("--prompts", "prompts.html", "--html", "prompts.html"), "a file that is read"),
        ((*QUESTION, "--behaviour", "lighthouse"), "has no name"),
        ((*QUESTION, "--behaviour", "habit=("), "no regular expression"),
        ((*QUESTION, *HABIT, *HABIT), "Two behaviours"),
        ((*QUESTION, "--temperature", "0"), "temperature 0"),
        ((*QUESTION, "--target", "3", "--top-p", "0.9"), "top-p"),
        ((*QUESTION, *HABIT, "--over", "prompts"), "50 prompts, and there are 1"),
        ((*QUESTION, "--amplify-first", "3", "--target", "1"), "goes on as after"),
        ((*QUESTION, *HABIT, "--count-only", "--alpha", "auto", "--out", "x"), "--count-only"),
        ((*QUESTION, "--curve-alpha", "x"), "--curve-alpha"),
        (("--import", "x.json", *HABIT, "--label", "3"), "--import"),
        ((*QUESTION, "--raw", "--system", "x"), "--raw"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_opened(
    unopened: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.html").mkdir()
    Path("prompts.html").write_text("Owls?\n")
    assert sweep(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused_first(
    unopened: None, tmp_path: Path, capsys: Capture
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert sweep(*QUESTION, "--html", str(locked / "x.html")) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_system_prompt_of_the_profile_goes_before_prompts(
    toy: ToyEngine, tmp_path: Path
) -> None:
    profile = tmp_path / "own.yaml"
    profile.write_text("before: {model: a}\nafter: {model: b}\nsystem: Be brief.\n")
    for name, options in (("a", ()), ("b", ("--raw",)), ("c", ("--system", "Be long."))):
        asked = (*QUESTION, *FEW, "--profile", str(profile), "--out", str(tmp_path / name))
        assert sweep(*asked, *options) == 0
    said = [request.prompts[0].messages[0].text for request in toy.asked]  # type: ignore[union-attr]
    assert said == ["Be brief.", "Tell me about owls.", "Be long."]


def test_a_dry_run_opens_nothing_and_writes_nothing(
    unopened: None, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *FEW, "--out", str(tmp_path / "s"), "--dry-run") == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said["replies"] == "90; 30 to each at every α"
    assert said["tokens"] == "at most 14,400 tokens"
    assert said["time"].startswith("not known before something was sampled")
    assert "of weights, up to" in said["memory"]
    assert not (tmp_path / "s").exists()


def test_a_dry_run_guesses_from_what_is_there(
    toy: ToyEngine, tmp_path: Path, capsys: Capture
) -> None:
    out = str(tmp_path / "s")
    sweep(*QUESTION, *FEW, "--out", out)
    capsys.readouterr()
    before = (tmp_path / "s" / "sweep.jsonl").read_bytes()
    assert sweep("--out", out, "--samples", "100", "--dry-run") == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said["replies"] == "300, 90 of them there already; 100 to each at every α"
    assert said["tokens"] == "about 420 as replies are so far, at most 33,600 tokens"
    assert "at the speed of this folder's runs" in said["time"]
    assert (tmp_path / "s" / "sweep.jsonl").read_bytes() == before

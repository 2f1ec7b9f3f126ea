"""`sweep --chain`: what it prints and writes, how it goes on, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.samples import SampledReply, SampleRequest
from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.sweep.chain.toy_chain import CHAIN, engine_of
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import toy_sweep
from tests.core.export.test_html import Page

Capture = pytest.CaptureFixture[str]

QUESTION = ("--prompt", "Tell me about owls.")
HABIT = ("--behaviour", "habit=lighthouse")
FEW = ("--alpha", "1", "--samples", "60")


class Engines:
    """The engines of the pairs that were opened; with `stops` those pairs are interrupted."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.live = 0
        self.stops: dict[str, int] = {}

    def __call__(
        self, profile: Profile, report: object, held: HeldStages | None = None
    ) -> ToyEngine:
        assert profile.pair is not None
        name = "-".join(profile.pair)
        self.opened.append(name)
        self.live += 1
        assert self.live == 1, "one pair is in memory at a time"
        engine = engine_of(profile)
        if name in self.stops:
            engine.sample = interrupted(engine, self.stops[name])  # type: ignore[method-assign, assignment]
        engine.close = self._close  # type: ignore[method-assign]
        return engine

    def _close(self) -> None:
        self.live -= 1


def interrupted(engine: ToyEngine, replies: int) -> Callable[[SampleRequest], Iterator[Event]]:
    """Samples, with a ctrl+c after so many replies."""
    whole = engine.sample

    def sample(request: SampleRequest) -> Iterator[Event]:
        ended = 0
        for event in whole(request):
            yield event
            ended += isinstance(event, SampledReply)
            if isinstance(event, SampledReply) and ended == replies:
                os.kill(os.getpid(), signal.SIGINT)

    return sample


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    made = Engines()
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", made)
    return made


@pytest.fixture
def chain(tmp_path: Path) -> str:
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN)
    return str(path)


@pytest.fixture
def sweep(tmp_path: Path, chain: str) -> Callable[..., int]:
    """The command, into the folder `c`."""

    def run(*arguments: str, profile: str | None = chain) -> int:
        named = () if profile is None else ("--profile", profile)
        out = ("--out", str(tmp_path / "c"))
        return cli.run(["sweep", "--chain", *named, *out, *arguments])

    return run


Sweep = Callable[..., int]


def replies_in(folder: Path, alpha: float) -> list[str]:
    lines = map(json.loads, (folder / "sweep.jsonl").read_text().splitlines())
    return [x["text"] for x in lines if x["type"] == "sampled" and x["alpha"] == alpha]


def test_a_table_has_every_stage(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW) == 0
    out, err = capsys.readouterr()
    assert engines.opened == ["base-sft", "sft-dpo"]
    assert engines.live == 0
    assert "base → sft, pair 1 of 2" in err
    first, second = (tmp_path / "c" / name for name in ("base-sft", "sft-dpo"))
    replies = {
        "base": replies_in(first, -1.0),
        "sft": replies_in(first, 0.0) + replies_in(second, -1.0),
        "dpo": replies_in(second, 0.0),
    }
    lines = out.split("\nstage ")[1].splitlines()[1:4]
    rows = {words[0]: words for line in lines if (words := line.split())}
    for stage, texts in replies.items():
        hits = sum("lighthouse" in text for text in texts)
        assert rows[stage][1:3] == [str(len(texts)), str(hits)]
    assert "It came in with sft." in out
    assert "base → sft raises the rate from " in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_what_would_be_sampled_is_said_for_every_pair(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *FEW, "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.count("3: −1, 0, +1") == 2  # the ends of each pair are always sampled
    assert out.index("base → sft") < out.index("sft → dpo")
    assert "2 pairs: one is loaded after the other, and each stage once" in out
    assert engines.opened == []
    assert not (tmp_path / "c").exists()


def test_a_part_of_the_chain_can_be_swept(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW, "--from", "sft") == 0
    assert engines.opened == ["sft-dpo"]
    assert "2 stages: sft → dpo" in capsys.readouterr().out
    assert sweep("--count-only", *HABIT, profile=None) == 0
    assert "2 stages: sft → dpo" in capsys.readouterr().out


def test_json_has_stages_steps_and_the_pairs(
    engines: Engines, sweep: Sweep, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    habit = result["behaviours"]["habit"]
    assert [one["stage"] for one in habit["stages"]] == ["base", "sft", "dpo"]
    assert habit["came_in"] == "sft"
    assert [(one["before"], one["after"]) for one in habit["steps"]] == [
        ("base", "sft"),
        ("sft", "dpo"),
    ]
    assert list(result["pairs"]) == ["base-sft", "sft-dpo"]
    pair = result["pairs"]["sft-dpo"]
    assert (pair["before"], pair["after"]) == ("sft", "dpo")
    assert pair["behaviours"]["habit"]["estimate"]["target"] == 0
    assert result["complete"] is True


def test_csv_has_rows_of_stages_steps_and_pairs(
    engines: Engines, sweep: Sweep, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW, "--csv", "--by-prompt") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    stages = [row for row in rows if row["row"] == "stage"]
    assert [(row["stage"], row["prompt"]) for row in stages] == [
        (stage, prompt) for prompt in ("", "p1") for stage in ("base", "sft", "dpo")
    ]
    assert [row["came_in"] for row in rows if row["row"] == "step"] == ["True", "False"]
    assert {row["pair"] for row in rows if row["row"] == "rate"} == {"base-sft", "sft-dpo"}


def test_the_page_has_the_stages_and_every_reply(
    engines: Engines, sweep: Sweep, tmp_path: Path
) -> None:
    page = tmp_path / "chain.html"
    assert sweep(*QUESTION, *HABIT, *FEW, "--html", str(page)) == 0
    text = page.read_text()
    parsed = Page(text)
    assert text.count('<article class="reply') == 2 * 3 * 60
    assert [svg["aria-label"] for svg in parsed.named("svg")] == [
        "habit by stage",
        "habit over α",
        "habit over α",
    ]
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len({*ids}) == len(ids)
    assert {one["href"] for one in parsed.named("a")} == {"#s1", "#p1", "#p2"}
    assert not parsed.named("script")


def test_the_figure_is_drawn(engines: Engines, sweep: Sweep, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = tmp_path / "chain.svg"
    assert sweep(*QUESTION, *HABIT, *FEW, "--plot", str(figure)) == 0
    assert "<svg" in figure.read_text()


def test_it_goes_on_where_it_was_stopped(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    engines.stops = {"sft-dpo": 50}
    assert sweep(*QUESTION, *HABIT, *FEW) == 130
    _, err = capsys.readouterr()
    assert "Run it again with --out" in err
    engines.stops, engines.opened = {}, []
    assert sweep(*HABIT, profile=None) == 0
    assert engines.opened == ["sft-dpo"]
    assert "It came in with sft." in capsys.readouterr().out
    engines.opened = []
    assert sweep(*HABIT, profile=None) == 0
    assert engines.opened == []


def test_after_a_stop_in_the_first_pair_the_second_is_lacking(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    engines.stops = {"base-sft": 50}
    assert sweep(*QUESTION, *HABIT, *FEW) == 130
    out = capsys.readouterr().out
    assert "sft → dpo: not sampled yet" in out
    assert "base → sft: 50 of 180 replies" in out
    engines.stops = {}
    assert sweep(*HABIT, profile=None) == 0
    assert engines.opened == ["base-sft", "base-sft", "sft-dpo"]
    first, second = (SweepFolder.read(tmp_path / "c" / name) for name in ("base-sft", "sft-dpo"))
    assert first.settings == second.settings  # as was said at first


def test_the_pairs_are_sweeps_of_their_own(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW) == 0
    capsys.readouterr()
    pair = str(tmp_path / "c" / "base-sft")
    assert cli.run(["sweep", "--count-only", "--out", pair, *HABIT]) == 0
    assert "180 replies to 1 prompt" in capsys.readouterr().out


def test_phrases_of_one_pair_are_counted_in_all(
    engines: Engines, sweep: Sweep, capsys: Capture
) -> None:
    assert sweep(*QUESTION, "--alpha", "3", "--samples", "200", "--discover", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["behaviours"]
    names = [list(pair["behaviours"]) for pair in result["pairs"].values()]
    assert names == [list(result["behaviours"])] * 2


def test_the_last_stage_judges_every_pair(
    engines: Engines, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    asked: list[str] = []

    def log_odds(self: object, prompt: object, reply: object) -> float:
        engine: Engine = self._engine  # type: ignore[attr-defined]
        asked.append(engine.opened.session.after.model)
        return 1.0 if "lighthouse" in reply.text else -1.0  # type: ignore[attr-defined]

    monkeypatch.setattr("logit_amp_chat.core.experiments.sweep.judge.Judge.log_odds", log_odds)
    assert sweep(*QUESTION, "--judge", "sea=Is it about the sea?", *FEW, "--json") == 0
    out, err = capsys.readouterr()
    assert set(asked) == {"org/dpo"}
    assert engines.opened == ["base-sft", "sft-dpo"]
    assert "sea: dpo is asked" in err
    result = json.loads(out)
    assert result["behaviours"]["sea"]["definition"]["by"] == "dpo"
    assert result["behaviours"]["sea"]["came_in"] == "sft"


def refused(capsys: Capture) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--target", "1"), "estimates every stage"),
        (("--amplify-first", "3"), "α −1 is no stage"),
        (("--before", "a", "--after", "b"), "a profile with stages, not a pair"),
        (("--import", "x.json"), "a published sweep has one pair"),
        (("--system-before", "x"), "is for one pair"),
        (("--template-arg-after", "x=1"), "is for one pair"),
        (("--from", "rl"), "has no stage 'rl'"),
        (("--from", "dpo"), "dpo is not before dpo"),
    ],
)
def test_what_a_chain_cannot_do_is_refused(
    engines: Engines, sweep: Sweep, capsys: Capture, arguments: tuple[str, ...], why: str
) -> None:
    assert sweep(*QUESTION, *HABIT, *arguments) not in (0, 130)
    assert why in refused(capsys)
    assert engines.opened == []


def test_what_only_a_chain_has_is_refused_without_one(
    engines: Engines, chain: str, tmp_path: Path, capsys: Capture
) -> None:
    assert cli.run(["sweep", "-p", "demo", "--chain", *QUESTION]) not in (0, 130)
    assert "is one pair, not a chain" in refused(capsys)
    toy_sweep(tmp_path / "s")
    assert cli.run(["sweep", "--chain", "--out", str(tmp_path / "s"), *QUESTION]) == 2
    assert "has the sweep of one pair" in refused(capsys)
    assert cli.run(["sweep", "--chain", "--count-only", "--out", str(tmp_path / "n")]) == 2
    assert "no sweep over a chain" in refused(capsys)
    assert engines.opened == []


def test_a_chain_that_is_swept_as_a_pair_is_told_apart(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *FEW) == 0
    assert cli.run(["sweep", "--count-only", "--out", str(tmp_path / "c")]) == 2
    assert "--chain" in refused(capsys)


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dry run says of memory would need the models."""
    monkeypatch.setattr("logit_amp_chat.tui.commands.sweep_plan.download_state", lambda _: "not")


def test_a_lost_file_of_the_chain_is_made_up_for_by_its_name(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW) == 0
    whole = capsys.readouterr().out
    (tmp_path / "c" / "chain.json").unlink()
    engines.opened.clear()
    assert sweep("--count-only", *HABIT, profile=None) == 2
    assert "no sweep over a chain" in refused(capsys)
    assert sweep("--count-only", *HABIT) == 0
    assert capsys.readouterr().out == whole
    assert engines.opened == []


def test_a_pilot_finds_the_alphas_of_each_pair(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, "--alpha", "auto", "--samples", "20") == 0
    assert capsys.readouterr().err.count("pilot: α") == 2
    for name in ("base-sft", "sft-dpo"):
        folder = SweepFolder.read(tmp_path / "c" / name)
        assert {-1.0, 0.0} <= {*folder.settings.alphas}
        assert (tmp_path / "c" / name / "pilot" / "sweep.jsonl").exists()


def test_samples_may_be_added_later(
    engines: Engines, sweep: Sweep, tmp_path: Path, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW) == 0
    assert sweep(*HABIT, "--samples", "80", "--alpha", "2", profile=None) == 0
    for name in ("base-sft", "sft-dpo"):
        folder = SweepFolder.read(tmp_path / "c" / name)
        assert folder.settings.alphas == (-1.0, 0.0, 1.0, 2.0)
        assert len(replies_in(tmp_path / "c" / name, 0.0)) == 80


def test_other_prompts_than_those_of_the_folder_are_refused(
    engines: Engines, sweep: Sweep, capsys: Capture
) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW) == 0
    assert sweep("--prompt", "Another one?", *HABIT, *FEW) == 2
    assert "other prompts" in refused(capsys)


def test_over_prompts_needs_enough_of_them(engines: Engines, sweep: Sweep, capsys: Capture) -> None:
    assert sweep(*QUESTION, *HABIT, *FEW, "--over", "prompts") == 2
    assert "needs 50 prompts" in refused(capsys)
    many = [part for n in range(50) for part in ("--prompt", f"Tell me about {n} owls.")]
    few = ("--alpha", "1", "--samples", "4", "--over", "prompts")
    assert sweep(*many, *HABIT, *few, "--json") == 0
    stages = json.loads(capsys.readouterr().out)["behaviours"]["habit"]["stages"]
    assert all(0 <= one["low"] <= one["rate"] <= one["high"] <= 1 for one in stages)
    assert [one["pairs"] for one in stages] == [1, 2, 1]

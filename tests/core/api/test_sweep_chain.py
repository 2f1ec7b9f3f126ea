"""`sweep_chain` and `open_sweep_chain`: stages, steps, pairs, tables, a figure, a report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat import ChainSweep, UsageError, open_sweep_chain, sweep_chain
from logit_amp_chat.core.api.open_pair import OpenPair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.samples import SampledReply, SampleRequest
from tests.core.experiments.sweep.chain.toy_chain import engine_of, profile
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.export.test_html import Page

OWLS = "Tell me about owls."
HABIT = {"habit": "lighthouse"}
FEW: dict[str, Any] = {"alpha": [1], "samples": 40}


class Pairs:
    """Opens toys; of the pair `stops` the replies after the third are given up."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.workers: set[str | None] = set()
        self.stops = ""

    def __call__(
        self, profile: Profile, workers: str | None, report: object, held: HeldStages
    ) -> OpenPair:
        assert profile.pair is not None
        self.workers.add(workers)
        self.opened.append("-".join(profile.pair))
        engine = engine_of(profile)
        if self.opened[-1] == self.stops:
            engine.sample = _given_up(engine)  # type: ignore[method-assign]
        return OpenPair(profile, engine)  # type: ignore[arg-type]


def _given_up(engine: ToyEngine) -> Any:
    whole = engine.sample

    def sample(request: SampleRequest) -> Iterator[Event]:
        ended = 0
        for event in whole(request):
            yield event
            ended += isinstance(event, SampledReply)
            if ended == 3:
                raise KeyboardInterrupt

    return sample


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Pairs:
    made = Pairs()
    monkeypatch.setattr("logit_amp_chat.core.api.sweep_chain.open_sampler", made)
    return made


def swept(tmp_path: Path, **options: Any) -> ChainSweep:
    asked = {"behaviours": HABIT, "out": tmp_path / "c", **FEW, **options}
    return sweep_chain(profile(tmp_path), OWLS, **asked)


def test_every_stage_has_a_rate_and_every_step_a_change(pairs: Pairs, tmp_path: Path) -> None:
    found = swept(tmp_path)
    assert pairs.opened == ["base-sft", "sft-dpo"]
    assert found.complete
    habit = found.behaviour("habit")
    assert [one.stage for one in habit.stages] == ["base", "sft", "dpo"]
    assert habit.came_in is not None
    assert habit.came_in.after == "sft"
    assert list(found.pairs) == ["base-sft", "sft-dpo"]
    assert found.pairs["sft-dpo"].behaviour("habit").estimate is not None
    assert found.pairs["sft-dpo"].result.settings.alphas == (-1.0, 0.0, 1.0)
    assert "It came in with sft." in repr(found)
    assert "It came in with sft." in found._repr_html_()
    assert found.figures()["behaviours"]["habit"]["came_in"] == "sft"


def test_a_folder_is_counted_without_models(pairs: Pairs, tmp_path: Path) -> None:
    swept(tmp_path)
    pairs.opened.clear()
    found = open_sweep_chain(tmp_path / "c", {"owls": "(?i)owl"})
    assert [one.seen.replies for one in found.behaviour("owls").stages] == [40, 80, 40]
    assert found.count(HABIT).behaviour("habit").came_in is not None
    part = open_sweep_chain(tmp_path / "c", HABIT, first="sft")
    assert [one.stage for one in part.behaviour("habit").stages] == ["sft", "dpo"]
    assert pairs.opened == []
    with pytest.raises(UsageError, match="was not counted"):
        found.behaviour("habit")
    with pytest.raises(UsageError, match="no sweep over a chain"):
        open_sweep_chain(tmp_path / "none")


def test_tables_have_a_line_for_each_stage_and_step(pairs: Pairs, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    found = swept(tmp_path)
    stages, steps = found.to_pandas(), found.steps_to_pandas()
    assert list(stages[stages.prompt == ""].stage) == ["base", "sft", "dpo"]
    assert list(stages[stages.prompt == "p1"].replies) == [40, 80, 40]
    assert list(zip(steps.before, steps.after, steps.came_in, strict=True)) == [
        ("base", "sft", True),
        ("sft", "dpo", False),
    ]


def test_it_is_drawn_and_written(pairs: Pairs, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = swept(tmp_path)
    labels = [tick.get_text() for tick in found.plot().get_xticklabels()]
    assert labels == ["base", "sft", "dpo"]
    found.save_html(tmp_path / "page.html", replies=2)
    page = Page((tmp_path / "page.html").read_text())
    assert len(page.named("article")) == 2 * 3 * 2
    with pytest.raises(UsageError, match="nothing to draw"):
        found.count({}).plot()


def test_what_was_sampled_before_an_interrupt_is_returned(pairs: Pairs, tmp_path: Path) -> None:
    pairs.stops = "sft-dpo"
    found = swept(tmp_path)
    assert not found.complete
    assert found.pairs["base-sft"].complete
    assert len(found.pairs["sft-dpo"].replies()) == 3
    pairs.stops = ""
    assert swept(tmp_path).complete


def test_every_pair_is_opened_in_workers_where_they_are_asked_for(
    pairs: Pairs, tmp_path: Path
) -> None:
    swept(tmp_path, workers="ray:2")
    assert pairs.opened == ["base-sft", "sft-dpo"]
    assert pairs.workers == {"ray:2"}


def test_an_interrupt_in_the_first_pair_is_one(pairs: Pairs, tmp_path: Path) -> None:
    pairs.stops = "base-sft"
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path)


def test_what_a_chain_cannot_do_is_refused_before_models_load(pairs: Pairs, tmp_path: Path) -> None:
    for options, why in (
        ({"target": 1.0}, "every stage is estimated"),
        ({"amplify_first": 3}, "α −1 is no stage"),
        ({"over": "stages"}, "expected one of replies, prompts"),
        ({"behaviours": {"x": 3}}, "behaviour x is 3"),
        ({"first": "dpo", "last": "base"}, "dpo is not before base"),
    ):
        with pytest.raises((UsageError, ProfileError), match=why):
            swept(tmp_path, **options)
    with pytest.raises(ProfileError, match="is one pair"):
        sweep_chain("demo", OWLS)
    assert pairs.opened == []

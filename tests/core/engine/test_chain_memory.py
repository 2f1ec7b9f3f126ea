"""What a chain lets go is freed before anything is loaded in its place."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.engine.opened_engine import open_engine
from logit_amp_chat.core.models import loader
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.protocol import Lane, Loading, Request, ScoreRequest
from logit_amp_chat.core.reading import PlainText, StageReadRequest
from logit_amp_chat.core.records import Message, PromptIds, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from tests.chains import NAMES, three_stages

MESSAGES = (Message(id="m", parent=None, role="user", text="Otters?"),)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    torch.set_num_threads(1)
    return three_stages(tmp_path_factory.mktemp("chain"))


class Counted:
    """How many models there are whenever another one is about to be loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.models: list[weakref.ref[Any]] = []
        self.beside: list[int] = []
        load = loader.load_sides

        def loading(*arguments: Any) -> Any:
            self.beside.append(sum(model() is not None for model in self.models))
            sides, notices = load(*arguments)
            self.models += [weakref.ref(side.model) for side in sides.values()]
            return sides, notices

        monkeypatch.setattr(f"{StageStore.__module__}.load_sides", loading)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def engine(profile: Profile, counted: Counted) -> ChainEngine:
    """A chain with room for two of its three stages."""
    engine = ChainEngine.open(profile)
    engine._store.room = engine._store.needed(NAMES[:2]).total
    return engine


def lanes(*stages: tuple[str, str] | None) -> tuple[Lane, ...]:
    return tuple(
        Lane(reply=f"r{n}", name=str(n), alpha=1.0, stages=pair) for n, pair in enumerate(stages)
    )


def asked(*stages: tuple[str, str] | None) -> Request:
    sampling = Sampling(max_new_tokens=4, seed=3)
    return Request(messages=MESSAGES, lanes=lanes(*stages), sampling=sampling)


TEXT = StageReadRequest(document="d", content=PlainText(text="fish and crabs"), stages=NAMES)


def test_lanes_of_other_stages_take_the_place_of_the_pair(
    engine: ChainEngine, counted: Counted
) -> None:
    """Each time one stage stays, one goes, and one is loaded."""
    list(engine.generate(asked(None, ("sft", "dpo"), ("base", "sft"))))
    list(engine.generate(asked(None)))
    assert counted.beside == [0, 1, 1, 1]


def test_so_they_do_where_a_request_was_left(engine: ChainEngine, counted: Counted) -> None:
    left = engine.generate(asked(None, ("sft", "dpo")))
    next(left)
    list(engine.generate(asked(("sft", "dpo"))))
    other = engine.generate(asked(("base", "sft"), None))
    next(other)
    next(other)
    list(engine.generate(asked(("sft", "dpo"))))
    left = engine.generate(asked(("sft", "dpo")))
    next(left)
    list(engine.generate(asked(None)))
    assert counted.beside == [0, 1, 1, 1, 1]


def test_so_they_do_where_tokens_are_measured(engine: ChainEngine, counted: Counted) -> None:
    ids = PromptIds(before=(5, 6), after=(5, 6))
    pairs = None, ("sft", "dpo"), ("base", "sft")
    list(engine.score(ScoreRequest(prompt=ids, tokens=(7, 8), lanes=lanes(*pairs))))
    assert counted.beside == [0, 1, 1]


@pytest.mark.parametrize(("room", "beside"), [(1, [0, 0, 0, 1]), (2, [0, 1, 1, 1])])
def test_stages_that_read_a_text_take_the_place_of_the_pair(
    engine: ChainEngine, counted: Counted, room: int, beside: Sequence[int]
) -> None:
    engine._store.room = engine._store.needed(NAMES[:room]).total
    list(engine.generate(asked(None)))
    list(engine.read_stages(TEXT))
    list(engine.generate(asked(None)))
    assert counted.beside == beside


def test_a_recorded_reply_is_decoded_in_the_place_of_the_pair(
    engine: ChainEngine, counted: Counted
) -> None:
    events = list(engine.generate(asked(("sft", "dpo"))))
    (reply,) = [event for event in events if isinstance(event, Reply)]
    list(engine.generate(asked(None)))
    list(engine.decode([reply]))
    assert counted.beside == [0, 1, 1, 1]


def test_pairs_of_a_chain_that_are_opened_in_turn_load_every_stage_once(
    profile: Profile, counted: Counted
) -> None:
    """Two models at a time, and the numbers of a pair that was opened alone."""
    said = []
    with contextlib.closing(HeldStages()) as held:
        for pair in (NAMES[:2], NAMES[1:]):
            reports: list[Loading] = []
            opened = open_engine(selected(profile, *pair), reports.append, held=held)
            with contextlib.closing(opened):
                said.append([e for e in opened.generate(asked(None)) if isinstance(e, Step)])
            assert "memory" in [report.stage for report in reports]
    assert counted.beside == [0, 1]
    assert len(counted.models) == 3
    for pair, steps in zip((NAMES[:2], NAMES[1:]), said, strict=True):
        with contextlib.closing(open_engine(selected(profile, *pair))) as alone:
            events = alone.generate(asked(None))
            assert [event for event in events if isinstance(event, Step)] == steps
    gc.collect()
    assert not any(model() for model in counted.models)


def test_another_chain_takes_nothing_over(profile: Profile, counted: Counted) -> None:
    other = profile.model_copy(update={"stages": profile.stages[:2]})
    with contextlib.closing(HeldStages()) as held:
        for one in (profile, selected(other, *NAMES[:2])):
            open_engine(one, held=held).close()
    assert counted.beside == [0, 0]

"""Chains of adapters in one process of vLLM's, which a stand-in plays, against the local engine."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, Stage
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.engine import vllm
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.engine.opened_engine import open_engine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.engine.vllm_chain import VllmChainEngine
from logit_amp_chat.core.errors import LogitAmpError, PairError, UsageError
from logit_amp_chat.core.protocol import Lane
from logit_amp_chat.core.reading import PlainText, StageReadRequest
from logit_amp_chat.core.records import Session
from tests.chains import NAMES, adapter_stages, three_stages
from tests.core.engine import sampling
from tests.core.vllm.adapted_stand_in import AdaptedStandIn
from tests.core.vllm.requests import SAMPLINGS, compare, compare_samples, request
from tests.models import save_adapter

PAIRS = (None, ("sft", "dpo"), ("dpo", "base"), ("dpo", "sft"), ("base", "base"))
LANES = tuple(
    Lane(reply=f"{n}{alpha:+}", name=f"{n}{alpha:+}", alpha=alpha, stages=stages)
    for n, stages in enumerate(PAIRS)
    for alpha in (0.0, 1.0)
)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """base, sft and dpo; sft and dpo are adapters."""
    return adapter_stages(tmp_path_factory.mktemp("adapters"))


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[AdaptedStandIn]:
    """The processes that were started."""
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", __file__)
    monkeypatch.setattr(vllm, "VllmProcess", AdaptedStandIn)
    monkeypatch.setattr(AdaptedStandIn, "started", [])
    return AdaptedStandIn.started


def with_vllm(profile: Profile) -> Profile:
    return profile.model_copy(update={"engine": "vllm"})


@pytest.fixture(scope="module")
def local(profile: Profile) -> ChainEngine:
    return ChainEngine.open(profile)


def test_lanes_of_any_two_stages_say_what_they_say_locally(
    profile: Profile, local: ChainEngine, started: Sequence[AdaptedStandIn]
) -> None:
    engine = open_engine(with_vllm(profile))
    assert isinstance(engine, VllmChainEngine)
    beside: list[Session] = []
    for name in ("greedy", "free"):
        asked = request(SAMPLINGS[name], 10, lanes=LANES)
        ours, theirs = list(local.generate(asked)), list(engine.generate(asked))
        compare(ours, theirs, [lane.reply for lane in LANES])
        beside += [event for event in theirs if isinstance(event, Session)]
    assert [one.beside for one in beside] == [engine.opened.session.id] * (len(PAIRS) - 1)
    [process] = started
    assert not process.requests
    engine.close()
    assert process.closed


def test_replies_of_a_chain_are_sampled_with_one_process(
    profile: Profile, started: Sequence[AdaptedStandIn]
) -> None:
    asked = sampling.ask(sampling.draws(6, 3), rows=4)
    with contextlib.closing(HeldStages()) as held:
        for pair in (NAMES[:2], NAMES[1:]):
            own = selected(profile, *pair)
            engine = open_engine(with_vllm(own), held=held)
            answers = [list(one.sample(asked)) for one in (ChainEngine.open(own), engine)]
            compare_samples(answers[0], answers[1])
            engine.close()
        assert [process.closed for process in started] == [False]
    assert started[0].closed


@pytest.mark.parametrize("sides", [("sft", "base"), ("base", "sft"), ("sft", "dpo")])
def test_a_pair_has_adapters_on_either_side(
    profile: Profile, sides: tuple[str, str], started: Sequence[AdaptedStandIn]
) -> None:
    chain = selected(profile, *sides)
    pair = chain.model_copy(update={"stages": (), "pair": None})
    engine = open_engine(with_vllm(pair))
    assert isinstance(engine, VllmEngine)
    asked = request(SAMPLINGS["free"], 12)
    names = [lane.reply for lane in asked.lanes]
    compare(list(open_engine(pair).generate(asked)), list(engine.generate(asked)), names)
    engine.close()
    assert [process.closed for process in started] == [True]


def test_weights_that_sides_share_are_counted_once(profile: Profile) -> None:
    bare = selected(profile, "base", "base")
    one, both = (open_engine(with_vllm(each)).opened.memory for each in (bare, profile))
    assert one == both


def test_texts_are_not_read_under_stages(profile: Profile) -> None:
    engine = open_engine(with_vllm(profile))
    with pytest.raises(UsageError, match="engine: vllm") as caught:
        engine.batches(StageReadRequest(document="d", content=PlainText(text="fish"), stages=NAMES))
    assert "engine: local" in caught.value.remedy


def test_a_chain_of_models_names_the_engine_that_opens_it(
    tmp_path: Path, started: Sequence[AdaptedStandIn]
) -> None:
    with pytest.raises(UsageError, match="one model with and without adapters") as caught:
        open_engine(with_vllm(three_stages(tmp_path)))
    assert "engine: local" in caught.value.remedy
    assert not started


def test_an_adapter_that_vllm_cannot_hold_is_refused_before_it_is_started(
    profile: Profile, tmp_path: Path, started: Sequence[AdaptedStandIn]
) -> None:
    """Also that of a stage that is not compared at first."""
    base = profile.stages[0]
    adapter = save_adapter(Path(base.model), tmp_path / "dora", 1, use_dora=True)
    stage = Stage(name="dora", model=base.model, adapter=str(adapter))
    chain = profile.model_copy(update={"stages": (*profile.stages, stage)})
    with pytest.raises(PairError, match=r"cannot hold the adapter .*dora"):
        open_engine(with_vllm(chain))
    assert not started


def test_adapters_on_two_models_are_refused(profile: Profile) -> None:
    other = profile.before.model_copy(update={"model": "org/other"})
    pair = profile.model_copy(update={"stages": (), "pair": None, "before": other})
    with pytest.raises(LogitAmpError, match="adapters are one model"):
        open_engine(with_vllm(pair))

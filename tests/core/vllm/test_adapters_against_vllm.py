"""A chain of adapters in vLLM itself, against the local engine and against PEFT alone.

One engine for many comparisons, as one takes up to a minute to open: each that fails is named.
"""

from __future__ import annotations

import contextlib
import itertools
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest

from logit_amp_chat import ChainSweep, sweep_chain
from logit_amp_chat.core.config.profile import Profile, Stage, load_profile
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.config.vllm_settings import VllmSettings
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.engine.opened_engine import open_engine
from logit_amp_chat.core.engine.vllm_chain import VllmChainEngine
from logit_amp_chat.core.protocol import Event, Forget, Lane
from logit_amp_chat.core.records import Reply
from tests.chains import plain_log_probs
from tests.core.engine import sampling
from tests.core.vllm.environment import needs_all
from tests.core.vllm.readings import compare_readings, compare_rescored, reading
from tests.core.vllm.requests import (
    CLOSE,
    SAMPLINGS,
    compare,
    compare_samples,
    request,
    steps,
)
from tests.core.vllm.test_modules import PYTHON
from tests.models import save_adapter

LINEAR = ["q_proj", "k_proj", "o_proj", "gate_proj", "down_proj"]
# By stage: PEFT's settings; each has its own rank, scale and modules.
ADAPTERS: dict[str, dict[str, Any]] = {
    "sft": {},
    "dpo": {
        "r": 16,
        "lora_alpha": 2,
        "use_rslora": True,
        "target_modules": LINEAR,
        "rank_pattern": {"k_proj": 9, "layers.0.self_attn.o_proj": 3},
        "alpha_pattern": {"down_proj": 4, "model.layers.1.self_attn.q_proj": 3},
    },
    "rl": {"target_modules": "all-linear", "lora_alpha": 4},
}
NAMES = ("base", *ADAPTERS)
# Each adapter on either side and on both, and beside the bare model.
PAIRS = (
    ("base", "sft"),
    ("sft", "dpo"),
    ("dpo", "sft"),
    ("rl", "base"),
    ("base", "rl"),
    ("base", "base"),
)
Engines = tuple[ChainEngine, VllmChainEngine]


def lanes(*pairs: tuple[str, str]) -> tuple[Lane, ...]:
    return tuple(
        Lane(reply=name, name=name, alpha=alpha, stages=pair)
        for pair in pairs
        for alpha in (-1.0, 1.0)
        for name in [f"{'-'.join(pair)}{alpha:+}"]
    )


def chain(folder: Path) -> Profile:
    """The demo's base, and three adapters on it."""
    demo = load_profile("demo")
    stages = [Stage(name="base", **dict(demo.before))]
    for seed, (name, settings) in enumerate(ADAPTERS.items(), 1):
        adapter = save_adapter(Path(demo.before.model), folder / name, seed, **settings)
        side = demo.before.model_copy(update={"adapter": str(adapter)})
        stages.append(Stage(name=name, **dict(side)))
    return selected(demo.model_copy(update={"stages": tuple(stages)}), *PAIRS[0])


def with_vllm(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, tensor_parallel: int = 1
) -> Profile:
    if PYTHON is None:
        pytest.skip("vLLM's environment is not there: ./setup.sh vllm")
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(PYTHON))
    settings = VllmSettings(max_model_len=256, tensor_parallel=tensor_parallel)
    return profile.model_copy(update={"engine": "vllm", "vllm": settings})


@pytest.fixture
def held() -> Iterator[HeldStages]:
    with contextlib.closing(HeldStages()) as stages:
        yield stages


@pytest.fixture
def engines(tmp_path: Path, held: HeldStages, monkeypatch: pytest.MonkeyPatch) -> Engines:
    profile = chain(tmp_path)
    other = open_engine(with_vllm(profile, monkeypatch), held=held)
    assert isinstance(other, VllmChainEngine)
    return ChainEngine.open(profile), other


def test_stages_that_are_adapters_are_computed_as_locally(
    engines: Engines, held: HeldStages
) -> None:
    failures = []

    def sweep(local: ChainEngine, other: VllmChainEngine) -> None:
        swept(local, other, held)

    for one in (any_two_stages, several_pairs_in_one_batch, texts, numbers_of_peft, sweep):
        try:
            one(*engines)
        except AssertionError:
            failures.append(f"{one.__name__}: {traceback.format_exc(limit=-2)}")
    assert not failures, "\n".join(failures)


def test_adapters_are_spread_over_two_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_all()
    profile = chain(tmp_path)
    other = open_engine(with_vllm(profile, monkeypatch, tensor_parallel=2))
    assert isinstance(other, VllmChainEngine)
    try:
        any_two_stages(ChainEngine.open(profile), other, "free")
    finally:
        other.close()


def any_two_stages(
    local: ChainEngine,
    other: VllmChainEngine,
    *names: str,
) -> None:
    """One pair after the other, as a chat asks for them."""
    asked = lanes(*PAIRS)
    for name in names or ("greedy", "masked", "nucleus", "ends"):
        said = [
            list(engine.generate(request(SAMPLINGS[name], 24, lanes=asked)))
            for engine in (local, other)
        ]
        compare(said[0], said[1], [lane.reply for lane in asked])


def several_pairs_in_one_batch(local: ChainEngine, other: VllmChainEngine) -> None:
    """The requests of all pairs are in vLLM before the first has ended."""
    for name in ("greedy", "free"):
        running: dict[tuple[str, str], Iterator[Any]] = {}
        said: list[Event] = []
        for pair in PAIRS[:3] + PAIRS[-1:]:
            asked = request(SAMPLINGS[name], 24, lanes=lanes(pair))
            running[pair] = iter(other._engine(pair).batches(asked))
        while running:
            for pair, batches in list(running.items()):
                if (batch := next(batches, None)) is None:
                    del running[pair]
                said += batch or ()
        asked = request(SAMPLINGS[name], 24, lanes=lanes(*PAIRS[:3], PAIRS[-1]))
        compare(list(local.generate(asked)), said, [lane.reply for lane in asked.lanes])


def texts(local: ChainEngine, other: VllmChainEngine) -> None:
    """Texts are read, and replies measured anew, with the adapters of each pair."""
    asked = sampling.ask(sampling.draws(6, 3))
    for pair in PAIRS:
        mine, its = local._engine(pair), other._engine(pair)
        for name in ("several windows", "sums"):
            read = reading(name)
            compare_readings(list(mine.read(read)), list(its.read(read)))
        again = sampling.rescore(list(mine.sample(asked)), asked)
        compare_rescored(list(mine.rescore(again)), list(its.rescore(again)))


def numbers_of_peft(_: ChainEngine, other: VllmChainEngine) -> None:
    """What is recorded of both sides of every token is what transformers and PEFT alone give."""
    stages = {stage.name: stage for stage in other.profile.stages}
    other.apply(Forget())
    for pair in PAIRS:
        [lane, _lane] = lanes(pair)
        events = list(other.generate(request(SAMPLINGS["free"], 24, lanes=(lane,))))
        prompt = next(event.prompt.after for event in events if isinstance(event, Reply))
        said = steps(events, lane.reply)
        ids = [*prompt, *(step.token for step in said)]
        for side, name in zip(("before", "after"), pair, strict=True):
            plain = plain_log_probs(stages[name], ids, other.pair.size, other.pair.valid)
            for n, step in enumerate(said, len(prompt) - 1):
                assert abs(getattr(step.logp, side) - float(plain[n, step.token])) < CLOSE


def swept(local: ChainEngine, other: VllmChainEngine, held: HeldStages) -> None:
    """Every adjacent pair is opened in the same process."""
    pid = other._engine(PAIRS[0])._process.pid  # type: ignore[attr-defined]
    asked = sampling.ask(sampling.draws(9, 3), rows=9, top=3)
    for pair in itertools.pairwise(NAMES):
        one = open_engine(selected(other.profile, *pair), held=held)
        assert isinstance(one, VllmChainEngine)
        assert one._engine(pair)._process.pid == pid  # type: ignore[attr-defined]
        mine = ChainEngine.open(selected(local.profile, *pair))
        compare_samples(list(mine.sample(asked)), list(one.sample(asked)))
        one.close()


def test_a_sweep_over_a_chain_finds_what_it_finds_locally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_all()
    profile = chain(tmp_path / "chain")
    found: list[ChainSweep] = [
        sweep_chain(
            each,
            ["Tell me about owls.", "What is the sea?"],
            out=tmp_path / each.engine,
            behaviours={"the": "the", "long": lambda text: len(text) > 40},
            alpha=[1.0],
            samples=8,
            max_new_tokens=24,
        )
        for each in (profile, with_vllm(profile, monkeypatch))
    ]
    texts = [
        {name: [reply.text for reply in pair.replies()] for name, pair in one.pairs.items()}
        for one in found
    ]
    assert texts[0] == texts[1]
    assert texts[0].keys() == {"base-sft", "sft-dpo", "dpo-rl"}
    for table in (ChainSweep.to_pandas, ChainSweep.steps_to_pandas):
        ours, theirs = (table(one) for one in found)
        pandas.testing.assert_frame_equal(ours, theirs, rtol=1e-3, atol=1e-3)

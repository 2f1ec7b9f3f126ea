"""The benchmark: shapes match the models they are named after, and figures add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
import torch
from bitsandbytes.nn import Linear4bit

from logit_amp_chat.core.bench import random_pair as shapes
from logit_amp_chat.core.bench.bandwidth import step_bytes
from logit_amp_chat.core.bench.random_pair import SHAPES, Shape, random_model, random_pair
from logit_amp_chat.core.bench.throughput import Subject, measure
from logit_amp_chat.core.bench.timings import Plan
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError, PairError
from logit_amp_chat.core.models.layers.lora import AdapterRows, LoraLinear
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.models.side import LoadedSide, SharedWeights
from logit_amp_chat.core.protocol import Loading

CPU = torch.device("cpu")
TINY = Shape(512, 64, 128, 2, 2, 1, 32, False)
PLAN = Plan(lanes=(1, 3), rounds=1, tokens=4, history=128)

# as published with the models
PARAMETERS = {
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.1-8b": 8_030_261_248,
    "qwen3-0.6b": 596_049_920,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_parameters_of_the_model_it_is_called_after(name: str) -> None:
    model = random_model(SHAPES[name], 0, torch.device("meta"), torch.bfloat16, "none")
    assert model.num_parameters() == PARAMETERS[name]


def test_an_unknown_shape_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PairError, match=r"llama-3\.1-8b"):
        random_pair("gpt-7", CPU, torch.float32)


def test_a_random_nf4_model_is_quantized_but_for_its_head() -> None:
    torch.manual_seed(0)
    quantized = random_model(TINY, 0, CPU, torch.float32, "nf4")
    kinds = {n: type(m) for n, m in quantized.named_modules() if n.endswith(("proj", "lm_head"))}
    assert kinds.pop("lm_head") is torch.nn.Linear
    assert set(kinds.values()) == {Linear4bit}
    assert len(kinds) == 7 * TINY.layers
    plain = random_model(TINY, 0, CPU, torch.float32, "none")
    ids = torch.arange(1, 9)[None]
    with torch.inference_mode():
        near = torch.nn.functional.cosine_similarity(
            quantized(ids).logits, plain(ids).logits, dim=-1
        )
    assert near.min() > 0.95


MakePair = Callable[..., Pair]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> MakePair:
    """A random pair of the shape TINY, with some sizes changed."""

    def make(quantization: Literal["none", "nf4"] = "none", **but: object) -> Pair:
        monkeypatch.setitem(shapes.SHAPES, "tiny", replace(TINY, **but))  # type: ignore[arg-type]
        return random_pair("tiny", CPU, torch.float32, quantization)

    return make


def numbers_of(pair: Pair) -> int:
    return sum(p.numel() for p in pair.before.model.parameters())


def test_a_step_reads_every_weight_but_the_embedding_and_the_caches_of_all_lanes(
    tiny: MakePair,
) -> None:
    pair = tiny()
    weights = numbers_of(pair) - TINY.vocabulary * TINY.hidden
    # keys and values, two layers, one head of 32
    a_token = 2 * 2 * 32
    assert step_bytes(pair, 3, 100) == 2 * 4 * (weights + 3 * 100 * a_token)


def test_a_tied_head_is_read_once(tiny: MakePair) -> None:
    pair = tiny(tied=True)
    assert step_bytes(pair, 0, 0) == 2 * 4 * numbers_of(pair)


def test_of_4_bit_weights_the_scales_are_read_as_well(tiny: MakePair) -> None:
    pair = tiny("nf4", mlp=256)
    linear = TINY.layers * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 256)
    half_a_byte, a_block, blocks_of_blocks = linear // 2, linear // 64, linear // 64 // 256
    norms = (2 * TINY.layers + 1) * TINY.hidden
    head = TINY.vocabulary * TINY.hidden
    found = step_bytes(pair, 0, 0) / 2 - 4 * (norms + head) - half_a_byte - a_block
    assert 0 < found <= 4 * (blocks_of_blocks + 7 * TINY.layers)


def test_weights_that_two_sides_share_are_read_once(tiny: MakePair) -> None:
    pair = tiny()
    model, rows = pair.before.model, AdapterRows()
    sides = [LoadedSide(model, name, shared=True, rows=rows) for name in (None, "after")]
    shared = replace(pair, before=sides[0], after=sides[1])
    assert step_bytes(shared, 0, 0) == step_bytes(pair, 0, 0) / 2
    assert step_bytes(shared, 2, 50) - step_bytes(shared, 0, 0) == 2 * 2 * 50 * 2 * 2 * 32 * 4


def test_a_profile_is_measured_beside_transformers(
    tiny_pair: Callable[..., Profile],
) -> None:
    seen: list[Loading] = []
    profile = tiny_pair()
    figures = measure(Subject.opened(profile, True, seen.append), PLAN, seen.append)
    assert figures.pair == (profile.title or profile.name)
    assert figures.peer_tokens_a_second is not None
    assert [lane.lanes for lane in figures.lanes] == [1, 3]
    for lane in figures.lanes:
        assert lane.against_peer is not None
        ratio = lane.tokens_a_second.median / figures.peer_tokens_a_second.median
        assert lane.against_peer.median == pytest.approx(ratio)
        seconds = lane.lanes / lane.tokens_a_second.median
        assert lane.bus_share == pytest.approx(lane.bytes_a_step / seconds / figures.bandwidth)
    assert [history for history, _ in figures.next_turn] == [32, figures.prefill_tokens]
    assert seen[-1].stage == "measure"


def test_the_peer_is_what_transformers_loads_and_ours_is_what_the_engine_opens(
    tiny_pair: Callable[..., Profile],
) -> None:
    profile = tiny_pair()
    subject = Subject.opened(profile, True, lambda _: None)
    assert subject.peer is not None
    ids = torch.arange(6)[None]
    with torch.inference_mode():
        for ours, theirs, engines in zip(
            (subject.pair.before, subject.pair.after),
            subject.peer,
            (LocalEngine.open(profile).pair.before, LocalEngine.open(profile).pair.after),
            strict=True,
        ):
            assert torch.equal(ours.model(ids).logits, engines.model(ids).logits)
            torch.testing.assert_close(ours.model(ids).logits, theirs(ids).logits)
            assert type(theirs.lm_head) is torch.nn.Linear


def test_a_random_shape_needs_no_files(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shapes.SHAPES, "tiny", TINY)
    subject = Subject.random("tiny", tiny_pair(), with_peer=False, lora=False)
    figures = measure(subject, PLAN)
    assert figures.pair == "random weights, tiny"
    assert figures.peer_tokens_a_second is None
    assert figures.lanes[0].against_peer is None


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_a_random_adapter_is_read_in_one_forward_with_its_model(
    quantization: str, tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shapes.SHAPES, "tiny", TINY)
    profile = tiny_pair(quantization=quantization)
    subject = Subject.random("tiny", profile, with_peer=True, lora=True)
    assert SharedWeights.of(subject.pair.before, subject.pair.after) is not None
    adapted = [m for m in subject.pair.after.model.modules() if isinstance(m, LoraLinear)]
    assert len(adapted) == 7 * TINY.layers
    figures = measure(subject, PLAN)
    assert figures.pair == "random weights, tiny and an adapter"
    assert figures.peer_tokens_a_second is None


def test_lanes_that_memory_does_not_hold_are_named(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError

    profile = tiny_pair()
    subject = Subject.of(profile, load_pair(profile), with_peer=False)
    monkeypatch.setattr("logit_amp_chat.core.decoding.pair_runner.PairRunner.decode", refuse)
    with pytest.raises(LogitAmpError, match=r"With --lanes 1 .* memory is used up"):
        measure(subject, PLAN)


def test_a_context_that_is_too_short_is_refused(tiny_pair: Callable[..., Profile]) -> None:
    profile = tiny_pair()
    pair = replace(load_pair(profile), context=100)
    with pytest.raises(LogitAmpError, match="100 tokens"):
        measure(Subject.of(profile, pair, with_peer=False), PLAN)

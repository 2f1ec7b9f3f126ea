"""Captured steps against eager ones.

On a CPU nothing can be captured and the work runs eagerly, but on the tensors, in the
caches and in the order that a GPU uses. On a machine with a GPU the same tests capture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding import decoder
from logit_amp_chat.core.decoding.cuda_graphs import static_cache as fixed
from logit_amp_chat.core.decoding.cuda_graphs.capture import GraphCapturer, Work
from logit_amp_chat.core.decoding.cuda_graphs.graph_stepper import (
    GraphStepper,
    StaticInputs,
    can_use_cuda_graphs,
)
from logit_amp_chat.core.decoding.cuda_graphs.static_cache import StaticKVCache
from logit_amp_chat.core.decoding.decoder import Decoder
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.next_token import choose
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.layers.kv_cache import GrowingLayer
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.protocol import (
    Event,
    Forget,
    Lane,
    Noticed,
    Prefill,
    Request,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.records import Change, Finish, Message, Record, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.replay import replay, requests_by_session
from tests.benchmarks.soak import User
from tests.core.engine.local_decoder import graph_cache_of, runner_of
from tests.models import ARCHITECTURES, save_adapter, save_pair, tiny_model

MakeProfile = Callable[..., Profile]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FREE = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=40, seed=3)
ALL = FREE.model_copy(update={"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.01})
COLD = Sampling(temperature=0.0, max_new_tokens=40)
SHORT = COLD.model_copy(update={"max_new_tokens": 8})  # never outgrows a cache


@pytest.fixture(autouse=True)
def _little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make replies outgrow their static caches."""
    monkeypatch.setattr(fixed, "LEAST_ROOM", 16)


def engine_of(profile: Profile, pair: Pair, recorded: bool) -> LocalEngine:
    engine = LocalEngine(profile, replace(pair, end_of_turn=frozenset()))
    engine._decoder = Decoder(engine.pair, cuda_graphs=recorded)
    return engine


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    folder = tmp_path_factory.mktemp("lora")
    base, _ = save_pair(folder)
    adapter = save_adapter(base, folder / "adapter", seed=1)
    sides = {"before": {"model": str(base)}, "after": {"model": str(base), "adapter": str(adapter)}}
    return Profile.model_validate({**sides, "name": "l", "dtype": "float32", "device": DEVICE})


@pytest.fixture(params=[*ARCHITECTURES, "lora"])
def engines(
    request: pytest.FixtureRequest, tiny_pair: MakeProfile, lora: Profile
) -> tuple[LocalEngine, LocalEngine]:
    """One engine that decodes eagerly, and one in captured steps."""
    profile = lora if request.param == "lora" else tiny_pair(request.param, device=DEVICE)
    pair = load_pair(profile)
    return engine_of(profile, pair, False), engine_of(profile, pair, True)


def ask(*alphas: float, text: str = "Tell me about otters", sampling: Sampling = FREE) -> Request:
    return Request(
        messages=(Message(id="m", parent=None, role="user", text=text),),
        lanes=tuple(Lane(reply=f"r{n}", name=f"{n}", alpha=a) for n, a in enumerate(alphas)),
        sampling=sampling,
    )


def told(events: list[Event]) -> list[tuple[object, ...]]:
    """What must agree exactly."""
    found: list[tuple[object, ...]] = []
    for event in events:
        match event:
            case Step():
                found.append((event.reply, event.index, event.alpha, event.token))
            case Finish():
                found.append((event.reply, event.reason, event.tokens))
            case Prefill():
                found.append((event.done, event.total))
    return found


def numbers(events: list[Event]) -> list[float]:
    steps = [event for event in events if isinstance(event, Step)]
    return [
        x
        for s in steps
        for x in (s.logp.before, s.logp.after, s.logp.amplified, s.kl, s.kl_amplified, s.entropy)
    ]


@pytest.mark.parametrize("sampling", [FREE, ALL, COLD], ids=["free", "all filters", "greedy"])
def test_turns_of_one_lane_and_of_three(
    engines: tuple[LocalEngine, LocalEngine], sampling: Sampling
) -> None:
    """The second turn prefills only what is new, after caches that steps have written."""
    for request in (
        ask(1.0, sampling=sampling),
        ask(-1.0, 0.0, 2.0, text="Tell me about otters and crabs", sampling=sampling),
        ask(1.0, sampling=sampling.model_copy(update={"seed": 4})),
    ):
        direct, recorded = ([*engine.generate(request)] for engine in engines)
        assert told(recorded) == told(direct)
        assert numbers(recorded) == pytest.approx(numbers(direct), abs=2e-4)


def test_weights_in_4_bits(tiny_pair: MakeProfile) -> None:
    """Products are in bf16, even here, so the numbers agree only roughly."""
    profile = tiny_pair(quantization="nf4", device=DEVICE)
    pair = load_pair(profile)
    direct, recorded = (
        [*engine_of(profile, pair, how).generate(ask(0.0, 1.0, sampling=SHORT))]
        for how in (False, True)
    )
    assert told(recorded) == told(direct)
    assert numbers(recorded) == pytest.approx(numbers(direct), abs=0.05)


def test_it_is_recorded_steps_that_are_compared(engines: tuple[LocalEngine, LocalEngine]) -> None:
    made: list[GraphStepper] = []
    original = GraphStepper.__init__

    def count(self: GraphStepper, *arguments: object) -> None:
        made.append(self)
        original(self, *arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphStepper, "__init__", count)
        for engine in engines:
            list(engine.generate(ask(1.0)))
    assert len(made) == 1
    graph_cache = graph_cache_of(engines[1])
    assert graph_cache.graphs.failure is None


def test_changes_are_in_force_one_token_later_and_recorded_as_they_were(
    tiny_pair: MakeProfile,
) -> None:
    profile = tiny_pair(device=DEVICE)
    engine = engine_of(profile, load_pair(profile), True)
    seen: list[Event] = []
    for event in engine.generate(ask(1.0, 0.0)):
        seen.append(event)
        if isinstance(event, Step) and (event.reply, event.index) == ("r1", 5):
            engine.apply(SetAlpha("r0", 3.0))
            engine.apply(SetSampling(ALL))
        if isinstance(event, Step) and (event.reply, event.index) == ("r1", 9):
            engine.apply(Stop())
    alphas = {e.index: e.alpha for e in seen if isinstance(e, Step) and e.reply == "r0"}
    assert [alphas[index] for index in (5, 6, 7)] == [1.0, 1.0, 3.0]
    changes = [e for e in seen if isinstance(e, Change)]
    assert [(c.reply, c.index) for c in changes] == [("r0", 7), ("r1", 7)]
    ends = [e for e in seen if isinstance(e, Finish)]
    assert [(e.reason, e.tokens) for e in ends] == [("cancelled", 10)] * 2


@pytest.mark.parametrize("seed", range(2))
def test_whatever_a_user_did_can_be_verified(tiny_pair: MakeProfile, seed: int) -> None:
    """To the last digit: a replay has the same caches as the chat that worked ahead."""
    profile = tiny_pair(device=DEVICE)
    pair = load_pair(profile)
    engine = engine_of(profile, pair, True)
    records: list[Record] = []
    user = User(engine, seed, records.append, leaves=False)
    while user.done["turns"] < 8:
        user.turn()
    other = engine_of(profile, pair, True)
    for part in requests_by_session(records):
        other._decoder.forget()
        for request in part.requests:
            for result in replay(other, request):
                assert result.identical, (result.first, result.problem)


def test_the_context_is_used_to_its_last_token(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair(device=DEVICE)
    pair = replace(load_pair(profile), context=48)
    long = FREE.model_copy(update={"max_new_tokens": 200})
    direct, recorded = (
        [*engine_of(profile, pair, how).generate(ask(1.0, sampling=long))] for how in (False, True)
    )
    assert told(recorded) == told(direct)
    assert told(direct)[-1][1] == "context"


def test_a_reply_that_is_left_leaves_what_was_said(tiny_pair: MakeProfile) -> None:
    """The token in flight when the caller left is in no cache."""
    profile = tiny_pair(device=DEVICE)
    pair = load_pair(profile)
    read = []
    for how in (False, True):
        engine = engine_of(profile, pair, how)
        batches = engine.batches(ask(1.0))
        for batch in batches:
            if any(isinstance(event, Step) and event.index == 6 for event in batch):
                break
        batches.close()
        (kept,) = runner_of(engine).caches[0]._kept
        assert kept.cache is not None
        read.append((kept.rows, kept.cache.get_seq_length()))
    assert read[0] == read[1]
    assert read[1][1] == len(read[1][0][0])


def test_other_caches_than_keys_and_values_are_read_directly(tiny_pair: MakeProfile) -> None:
    """Such as recurrent states, which have no position per token."""

    class Other(GrowingLayer):
        pass

    profile = tiny_pair(device=DEVICE)
    pair = load_pair(profile)
    direct, recorded = (engine_of(profile, pair, how) for how in (False, True))
    expected = told([*direct.generate(ask(1.0, 0.0))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logit_amp_chat.core.models.layers.kv_cache.GrowingLayer", Other)
        assert told([*recorded.generate(ask(1.0, 0.0))]) == expected


def test_a_request_that_is_left_before_anything_was_read_does_no_harm(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tiny_pair(device=DEVICE)
    engine = engine_of(profile, load_pair(profile), True)

    def fail(*_: object) -> None:
        raise LogitAmpError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(LoadedSide, "logits", fail)
        events = [*engine.generate(ask(1.0))]
    assert [e.error for e in events if isinstance(e, Finish)] == ["no luck"]
    assert told([*engine.generate(ask(1.0))])[-1][1] == "length"


def test_without_memory_to_keep_them_caches_are_dropped(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tiny_pair(device=DEVICE)
    engine = engine_of(profile, load_pair(profile), True)

    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr("logit_amp_chat.core.decoding.cuda_graphs.graph_stepper.taken", refuse)
        first = told([*engine.generate(ask(1.0, sampling=SHORT))])
    assert first == told([*engine.generate(ask(1.0, sampling=SHORT))])


def test_a_cache_that_grows_takes_the_memory_of_what_was_kept(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tiny_pair(device=DEVICE)
    pair = load_pair(profile)
    engine, other = (engine_of(profile, pair, True) for _ in range(2))
    for each in (engine, other):
        list(each.generate(ask(1.0, sampling=SHORT)))
    expected = told([*other.generate(ask(1.0))])
    kept = runner_of(engine).caches[0]
    allocate, refused = StaticKVCache.allocate, []

    def refuse(self: StaticKVCache, *arguments: Any) -> None:
        if kept._kept:
            refused.append(self)
            raise torch.OutOfMemoryError
        allocate(self, *arguments)

    monkeypatch.setattr(StaticKVCache, "allocate", refuse)
    assert told([*engine.generate(ask(1.0))]) == expected
    assert refused


def test_what_one_reply_left_in_fixed_caches_does_not_reach_the_next(
    tiny_pair: MakeProfile,
) -> None:
    """A masked NaN would: 0 · NaN is NaN."""
    profile = tiny_pair(device=DEVICE)
    pair = load_pair(profile)
    fresh, used = (engine_of(profile, pair, True) for _ in range(2))
    list(used.generate(ask(1.0)))
    graph_cache = graph_cache_of(used)
    for cache in graph_cache._caches.values():
        for keys, values in cache._storage:
            keys.fill_(torch.nan)
            values.fill_(torch.nan)
    used.apply(Forget())
    assert told([*used.generate(ask(1.0))]) == told([*fresh.generate(ask(1.0))])


# --- no waiting for the device ------------------------------------------------------


# A device whose tensors have no values: reading one fails, as it does during capture.
MUTE = torch.device("meta")


@pytest.mark.parametrize("sampling", [FREE, ALL, COLD], ids=["free", "all filters", "greedy"])
def test_choosing_asks_the_device_nothing(sampling: Sampling) -> None:
    inputs, valid = StaticInputs(500, MUTE, 3), torch.ones(500, device=MUTE).bool()
    noise = Noise([(0, 0), (1, 0), (2, 0)], 500, MUTE)
    logits = inputs.logits[0], inputs.logits[1]
    filters = Filters.of(sampling).to(MUTE)
    token, row = choose(logits, valid, inputs.alpha, filters, noise, inputs.index, top=5)
    assert (token.device, row.device) == (MUTE, MUTE)
    with pytest.raises(RuntimeError):
        choose(logits, valid, inputs.alpha, Filters.of(ALL), noise, inputs.index, top=5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reading_a_token_asks_the_device_nothing(architecture: str) -> None:
    model = tiny_model(architecture).to(MUTE)
    side = LoadedSide(model)
    held = side.new_cache()
    side.logits(torch.zeros(1, 5, dtype=torch.int64, device=MUTE), held, 1)
    cache = fixed.StaticKVCache(MUTE)
    cache.allocate(held, 3, 16)
    view = cache.view(held, 3, 16)
    logits = side.logits(torch.zeros(3, 1, dtype=torch.int64, device=MUTE), view, 1)
    assert logits.shape == (3, 1, 512)


def test_on_a_cpu_nothing_is_recorded(tiny_pair: MakeProfile) -> None:
    assert not can_use_cuda_graphs(load_pair(tiny_pair()))


def test_steps_are_recorded_when_a_pair_is_opened(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Callable[[], None]] = []

    def capture(self: GraphCapturer, variants: Sequence[Work], *_: object) -> Work:
        kept.append(variants[0])
        self.failure = "the driver is too old"
        return variants[0]

    monkeypatch.setattr(decoder, "can_use_cuda_graphs", lambda pair: True)
    monkeypatch.setattr(GraphCapturer, "capture", capture)
    engine = LocalEngine.open(tiny_pair())
    assert len(kept) == 2
    assert "(the driver is too old)" in engine.opened.notices[-1]
    answer = [*engine.generate(ask(1.0))]
    assert next(e for e in answer if isinstance(e, Finish)).tokens > 0
    assert not any(isinstance(e, Noticed) for e in answer)


def test_steps_that_cannot_be_recorded_later_are_noticed_once(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair(device=DEVICE)
    engine = engine_of(profile, load_pair(profile), True)
    graph_cache = graph_cache_of(engine)
    list(engine.generate(ask(1.0)))
    graph_cache.graphs.failure = "three lanes are too many"
    said = [[e.sentence for e in engine.generate(ask(1.0)) if isinstance(e, Noticed)] for _ in "ab"]
    assert "(three lanes are too many)" in said[0][0]
    assert said[1] == []

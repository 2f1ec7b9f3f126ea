"""Texts that vLLM reads, which a stand-in plays: their numbers are those of the local engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.errors import EngineError, LogitAmpError, UsageError
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.protocol import Event, Stop
from logit_amp_chat.core.reading import ReadBlock, Recorded, StageReadRequest, TokenSums
from logit_amp_chat.core.records import Finish, PromptIds
from logit_amp_chat.core.samples import RescoreRequest
from tests.core.engine import sampling
from tests.core.vllm.readings import (
    READINGS,
    compare_readings,
    compare_rescored,
    reading,
    steps_of,
)
from tests.core.vllm.stand_in import StandIn
from tests.models import VOCABULARY, save_side


@pytest.fixture
def engine(profile: Profile, pair: Pair) -> VllmEngine:
    return VllmEngine(profile, pair, StandIn(pair))


def texts_of(engine: VllmEngine) -> StandIn:
    assert isinstance(engine._process, StandIn)
    return engine._process


def assert_let_go(engine: VllmEngine) -> None:
    there = texts_of(engine)
    assert not there.texts
    assert not there.readings._readings
    assert not there.readings._measures


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("chunk", [1000, 7])
def test_a_text_has_the_numbers_of_the_local_engine(
    local: LocalEngine, engine: VllmEngine, name: str, chunk: int
) -> None:
    """However many of its tokens a pass reads."""
    texts_of(engine).chunk = chunk
    compare_readings(list(local.read(reading(name))), list(engine.read(reading(name))))
    assert_let_go(engine)


def test_candidates_are_rare_though_a_pass_goes_beyond_the_sample(
    local: LocalEngine, engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured before the usual threshold is known has candidates everywhere."""
    monkeypatch.setattr("logit_amp_chat.core.decoding.text_reader.SAMPLE", 10)
    monkeypatch.setattr("logit_amp_chat.core.decoding.grid_log_probs.BLOCK_BYTES_CPU", 1)
    texts_of(engine).chunk = 1000
    asked = reading("the usual threshold", window=200, stride=None)
    compare_readings(list(local.read(asked)), list(engine.read(asked)))


def test_logits_are_computed_and_measured_a_few_places_at_a_time(
    local: LocalEngine, engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logit_amp_chat.core.vllm.text_readings.LOGITS_BYTES", 0)
    events = list(engine.read(reading("sums")))
    compare_readings(list(local.read(reading("sums"))), events)
    assert max(texts_of(engine).logits) == 16


def test_a_text_that_is_read_again_from_its_beginning_is_measured_once(
    local: LocalEngine, engine: VllmEngine
) -> None:
    """As when vLLM sets a request back for want of memory."""
    texts_of(engine).chunk, texts_of(engine).set_back_at = 16, 32
    compare_readings(list(local.read(reading("sums"))), list(engine.read(reading("sums"))))
    assert texts_of(engine).set_back_at is None


@pytest.mark.parametrize("architecture", ["gpt2", "qwen3"])
def test_a_text_without_a_beginning(tiny_pair: Callable[..., Profile], architecture: str) -> None:
    profile = tiny_pair(architecture)
    pair = load_pair(profile)
    asked = reading("several windows")
    theirs = list(VllmEngine(profile, pair, StandIn(pair)).read(asked))
    compare_readings(list(LocalEngine(profile, pair).read(asked)), theirs)


def test_ids_that_are_masked_have_no_part_in_a_text(profile: Profile, pair: Pair) -> None:
    valid = torch.ones(pair.size, dtype=torch.bool)
    valid[-3:] = False
    masked = replace(pair, valid=valid)
    asked = reading("sums", everywhere=True)
    theirs = list(VllmEngine(profile, masked, StandIn(masked)).read(asked))
    compare_readings(list(LocalEngine(profile, masked).read(asked)), theirs)
    assert not {c.id for step in steps_of(theirs) for c in step.top} & {*range(pair.size)[-3:]}


def test_heads_of_unequal_size_are_compared_where_both_have_rows(tmp_path: Path) -> None:
    sides = (
        Side(model=str(save_side(tmp_path / "before", seed=1))),
        Side(model=str(save_side(tmp_path / "after", seed=2, rows=VOCABULARY + 64))),
    )
    profile = Profile(
        name="t", before=sides[0], after=sides[1], dtype="float32", quantization="none"
    )
    pair = load_pair(profile)
    asked = reading("further alphas", everywhere=True)
    theirs = list(VllmEngine(profile, pair, StandIn(pair)).read(asked))
    compare_readings(list(LocalEngine(profile, pair).read(asked)), theirs)


@pytest.mark.parametrize("name", ["several windows", "the usual threshold", "sums"])
def test_a_reading_that_is_stopped_says_so_and_frees_its_text(
    engine: VllmEngine, name: str
) -> None:
    texts_of(engine).chunk = 5
    events: list[Event] = []
    for event in engine.read(reading(name, threshold=1.0)):
        events.append(event)
        if isinstance(event, ReadBlock):
            engine.apply(Stop())
    (finish,) = (event for event in events if isinstance(event, Finish))
    assert (finish.reason, finish.tokens) == ("cancelled", len(steps_of(events)))
    assert_let_go(engine)


def test_a_reading_that_is_stopped_before_it_begins_has_no_sums(
    local: LocalEngine, engine: VllmEngine
) -> None:
    found = []
    for one in (local, engine):
        events: list[Event] = []
        for event in one.read(reading("sums")):
            events.append(event)
            one.apply(Stop())
        found.append(next(event for event in events if isinstance(event, TokenSums)))
    assert [sums.positions for sums in found] == [0, 0]
    assert found[0].before.tolist() == found[1].before.tolist()


def test_a_reading_that_is_left_frees_its_text(local: LocalEngine, engine: VllmEngine) -> None:
    texts_of(engine).chunk = 5
    for event in engine.read(reading("one window")):
        if isinstance(event, ReadBlock):
            break
    compare_readings(list(local.read(reading("sums"))), list(engine.read(reading("sums"))))
    assert_let_go(engine)


def test_a_window_that_the_context_does_not_hold_is_refused(engine: VllmEngine) -> None:
    with pytest.raises(UsageError, match="the pair holds"):
        list(engine.read(reading("one window", window=10_000_000)))


def test_the_longest_window_leaves_vllm_room_for_its_token(profile: Profile, pair: Pair) -> None:
    """The last token of a window is measured, not read."""
    short = replace(pair, context=32)
    engine = VllmEngine(profile, short, StandIn(short))
    texts_of(engine).facts["context"] = 32
    asked = reading("one window", window=32, stride=16)
    compare_readings(list(LocalEngine(profile, short).read(asked)), list(engine.read(asked)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "The models' numbers became NaN at scored token 1 of the text"),
        ({"alphas": (3e38,)}, r"At α \+3e\+38 the numbers became NaN at scored token"),
        ({"alphas": (0.0, 3e38)}, r"At α \+3e\+38 the numbers became NaN at scored token"),
    ],
)
def test_numbers_that_are_none_end_the_reading(
    profile: Profile, options: dict[str, Any], message: str
) -> None:
    pair = load_pair(profile)
    if not options:
        with torch.no_grad():
            pair.after.model.get_output_embeddings().weight.fill_(math.nan)
    engine = VllmEngine(profile, pair, StandIn(pair))
    with pytest.raises(LogitAmpError, match=message):
        list(engine.read(reading("one window", **options)))
    assert_let_go(engine)


def test_a_process_that_dies_in_mid_reading_is_an_engine_error(engine: VllmEngine) -> None:
    texts_of(engine).chunk = 8
    texts_of(engine).dies_at = 16
    events: list[Event] = []
    with pytest.raises(EngineError, match=r"The vLLM process died \(SIGKILL\)"):
        events.extend(engine.read(reading("one window")))
    assert len(steps_of(events)) > 0


REPLIES: dict[str, dict[str, Any]] = {
    "free": {},
    "first tokens amplified": {"amplify_first": 4},
    "begun": {"asked": sampling.prompts(*sampling.QUESTIONS, begin="The ")},
    "penalized": {
        "sampling": sampling.FREE.model_copy(
            update={"repetition_penalty": 1.3, "dry_multiplier": 0.8}
        )
    },
    "filtered": {"sampling": sampling.FREE.model_copy(update={"top_p": 0.8, "temperature": 0.6})},
    "ends as after has them": {"sampling": sampling.FREE.model_copy(update={"ends": "after"})},
}


def given(engine: LocalEngine, **options: Any) -> RescoreRequest:
    asked = sampling.ask(sampling.draws(9, 3), **options)
    return sampling.rescore(list(engine.sample(asked)), asked)


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("chunk", [1000, 11])
def test_replies_have_the_numbers_of_the_local_engine(
    local: LocalEngine, engine: VllmEngine, name: str, chunk: int
) -> None:
    """Several at once, in whatever parts they are read."""
    texts_of(engine).chunk = chunk
    asked = given(local, **REPLIES[name])
    compare_rescored(list(local.rescore(asked)), list(engine.rescore(asked)))
    assert_let_go(engine)


def test_a_reply_of_one_token(local: LocalEngine, engine: VllmEngine) -> None:
    asked = given(local)
    short = tuple(replace(one, tokens=one.tokens[:1]) for one in asked.replies)
    asked = replace(asked, replies=short)
    compare_rescored(list(local.rescore(asked)), list(engine.rescore(asked)))


def test_replies_are_measured_no_further_once_they_are_stopped(
    local: LocalEngine, engine: VllmEngine
) -> None:
    texts_of(engine).chunk = 11
    events: list[Event] = []
    for event in engine.rescore(given(local)):
        events.append(event)
        engine.apply(Stop())
    assert len(sampling.sampled(events)) < 9
    assert_let_go(engine)


def test_a_reply_whose_numbers_are_none_is_named_by_its_alpha(
    local: LocalEngine, engine: VllmEngine
) -> None:
    asked = replace(given(local), grid=(0.0, 3e38))
    with pytest.raises(LogitAmpError, match=r"became NaN at token \d+ with α \+3e\+38"):
        list(engine.rescore(asked))
    assert_let_go(engine)


def test_prompts_of_a_sides_own_are_refused(local: LocalEngine, engine: VllmEngine) -> None:
    own = PromptIds((5, 6), (5, 7))
    with pytest.raises(UsageError, match="one prompt"):
        list(engine.read(reading("one window", content=Recorded(prompt=own, tokens=(8, 9)))))
    asked = given(local)
    with pytest.raises(UsageError, match="one prompt"):
        list(engine.rescore(replace(asked, replies=(replace(asked.replies[0], ids=own),))))
    assert_let_go(engine)


def test_stages_are_not_read_under_a_pair(engine: VllmEngine) -> None:
    asked = StageReadRequest(document="d", content=reading("sums").content, stages=("a", "b"))
    with pytest.raises(UsageError, match="no chain"):
        list(engine.read_stages(asked))


def test_a_model_runner_that_measures_no_texts_names_the_engine_that_does(
    local: LocalEngine, engine: VllmEngine
) -> None:
    texts_of(engine).facts["reads_texts"] = False
    with pytest.raises(UsageError, match="engine: local"):
        list(engine.read(reading("sums")))
    with pytest.raises(UsageError, match="engine: local"):
        list(engine.rescore(given(local)))

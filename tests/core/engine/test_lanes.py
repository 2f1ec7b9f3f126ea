"""Lanes with their own prompt, seed or limit, in one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import ContextError, UsageError
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Event, Forget, Lane, Prefill, Request, SetSampling, Stop
from logit_amp_chat.core.records import Change, Finish, Message, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.replay import replay, requests_by_session

FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=12)


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    """Replies end only at their limit."""
    profile = tiny_pair()
    return LocalEngine(profile, replace(load_pair(profile), end_of_turn=frozenset()))


def say(text: str) -> tuple[Message, ...]:
    return (Message(id=f"m-{text}", parent=None, role="user", text=text),)


def ask(*lanes: Lane, **changed: Any) -> Request:
    return Request(messages=say("otters"), lanes=lanes, sampling=FREE, **changed)


def lane(name: str, alpha: float = 1.0, **own: Any) -> Lane:
    return Lane(reply=name, name=name, alpha=alpha, **own)


def tokens(events: list[Event], reply: str) -> list[int]:
    return [e.token for e in events if isinstance(e, Step) and e.reply == reply]


def finishes(events: list[Event]) -> dict[str, Finish]:
    return {e.reply: e for e in events if isinstance(e, Finish)}


def test_a_lane_with_a_seed_of_its_own_says_what_it_says_alone(engine: LocalEngine) -> None:
    seeds = {"a": 7, "b": 8, "c": 9}
    together = list(engine.generate(ask(*(lane(name, seed=seeds[name]) for name in seeds))))
    said = {name: tokens(together, name) for name in seeds}
    assert len({tuple(ids) for ids in said.values()}) == 3
    for name, seed in seeds.items():
        alone = replace(ask(lane(name)), sampling=FREE.model_copy(update={"seed": seed}))
        assert tokens(list(engine.generate(alone)), name) == said[name]
    records = [e for e in together if isinstance(e, Reply)]
    assert {r.id: (r.seed, r.sampling.seed) for r in records} == {
        n: (s, s) for n, s in seeds.items()
    }


def test_lanes_of_one_seed_share_their_noise_among_others(engine: LocalEngine) -> None:
    events = list(engine.generate(ask(lane("a", seed=7), lane("b", seed=8), lane("c", seed=7))))
    assert tokens(events, "a") == tokens(events, "c") != tokens(events, "b")


def test_a_lane_ends_at_its_own_limit(engine: LocalEngine) -> None:
    events = list(engine.generate(ask(lane("a", max_new_tokens=3), lane("b"))))
    ended = finishes(events)
    assert (ended["a"].reason, ended["a"].tokens) == ("length", 3)
    assert (ended["b"].reason, ended["b"].tokens) == ("length", 12)
    assert tokens(events, "b")[:3] == tokens(events, "a")


def test_a_limit_longer_than_the_requests(engine: LocalEngine) -> None:
    events = list(engine.generate(ask(lane("a", max_new_tokens=20), lane("b"))))
    assert {name: f.tokens for name, f in finishes(events).items()} == {"a": 20, "b": 12}


def test_what_is_forced_ends_with_a_short_lane(engine: LocalEngine) -> None:
    request = ask(lane("a", max_new_tokens=2), lane("b"), forced=(40, 41, 42))
    events = list(engine.generate(request))
    assert tokens(events, "a") == [40, 41]
    assert tokens(events, "b")[:3] == [40, 41, 42]
    assert [e.forced for e in events if isinstance(e, Reply)] == [2, 3]


def test_sampling_that_is_changed_holds_for_every_lane(engine: LocalEngine) -> None:
    events = []
    for event in engine.generate(ask(lane("a", max_new_tokens=3), lane("b"))):
        events.append(event)
        if isinstance(event, Step) and (event.reply, event.index) == ("b", 1):
            engine.apply(SetSampling(FREE.model_copy(update={"max_new_tokens": 5})))
    assert {name: f.tokens for name, f in finishes(events).items()} == {"a": 5, "b": 5}


def test_lanes_with_other_messages_are_answered_after_the_first(engine: LocalEngine) -> None:
    request = ask(lane("a"), lane("b", messages=say("crabs")), lane("c", 0.0))
    events = list(engine.generate(request))
    order = [e.id for e in events if isinstance(e, Reply)]
    assert order == ["a", "c", "b"]
    parents = {e.id: e.parent for e in events if isinstance(e, Reply)}
    assert parents == {"a": "m-otters", "c": "m-otters", "b": "m-crabs"}
    for name, text in (("a", "otters"), ("b", "crabs")):
        alone = replace(ask(lane(name)), messages=say(text))
        assert tokens(list(engine.generate(alone)), name) == tokens(events, name)


def test_a_stop_for_all_ends_lanes_that_have_not_begun(engine: LocalEngine) -> None:
    events = []
    for event in engine.generate(ask(lane("a"), lane("b", messages=say("crabs")))):
        events.append(event)
        if isinstance(event, Step) and event.index == 1:
            engine.apply(Stop())
    ended = finishes(events)
    assert {name: f.reason for name, f in ended.items()} == {"a": "cancelled", "b": "cancelled"}
    assert ended["b"].tokens == 0


def test_a_prompt_that_is_too_long_is_refused_before_any_lane_begins(engine: LocalEngine) -> None:
    long = say("otters " * 400)
    with pytest.raises(ContextError, match="context is used up"):
        next(engine.generate(ask(lane("a"), lane("b", messages=long))))


def replayed(engine: LocalEngine, events: list[Event]) -> bool:
    """Whether the same records are decoded again, from empty caches."""
    engine.apply(Forget())
    records = [e for e in events if isinstance(e, Reply | Step | Change | Finish)]
    (session,) = requests_by_session(records)
    results = [result for request in session.requests for result in replay(engine, request)]
    return all(result.identical for result in results)


SHORT = FREE.model_copy(update={"max_new_tokens": 4, "temperature": 0.5})


@pytest.mark.parametrize("when", ["reply", "prefill", "step"])
def test_sampling_changed_at_any_moment_is_recorded_and_replayed(
    engine: LocalEngine, when: str
) -> None:
    kind = {"reply": Reply, "prefill": Prefill, "step": Step}[when]
    request = ask(lane("a", max_new_tokens=9, seed=3), lane("b", messages=say("crabs")))
    engine.apply(Forget())
    events = []
    for event in engine.generate(request):
        events.append(event)
        if isinstance(event, kind) and sum(isinstance(e, kind) for e in events) == 1:
            engine.apply(SetSampling(SHORT))
    changes = {e.reply: e.index for e in events if isinstance(e, Change)}
    assert changes == {"a": 1 if when == "step" else 0, "b": 0}
    assert {name: f.tokens for name, f in finishes(events).items()} == {"a": 4, "b": 4}
    assert replayed(engine, events)


def test_a_change_to_what_one_lane_has_already_is_the_other_lanes_change(
    engine: LocalEngine,
) -> None:
    own = FREE.model_copy(update={"max_new_tokens": 5, "seed": 3})
    engine.apply(Forget())
    events = []
    for event in engine.generate(ask(lane("a", max_new_tokens=5, seed=3), lane("b"))):
        events.append(event)
        if isinstance(event, Step) and (event.reply, event.index) == ("b", 1):
            engine.apply(SetSampling(own))
    assert [e.reply for e in events if isinstance(e, Change)] == ["b"]
    assert {name: f.tokens for name, f in finishes(events).items()} == {"a": 5, "b": 5}
    assert replayed(engine, events)


def test_lanes_with_messages_of_their_own_and_the_same_prompt_are_replayed_together(
    engine: LocalEngine,
) -> None:
    other = (Message(id="m2", parent=None, role="user", text="otters"),)
    engine.apply(Forget())
    assert replayed(engine, list(engine.generate(ask(lane("a"), lane("b", messages=other)))))


def test_a_lane_whose_numbers_become_nan_ends_alone(engine: LocalEngine) -> None:
    events = list(engine.generate(ask(lane("a", 0.0), lane("b", 1e39))))
    ended = finishes(events)
    assert (ended["a"].reason, ended["a"].tokens) == ("length", 12)
    assert ended["b"].reason == "error"
    assert ended["b"].tokens == len(tokens(events, "b"))
    assert tokens(events, "a") == tokens(list(engine.generate(ask(lane("a", 0.0)))), "a")


@pytest.mark.parametrize("own", [{"seed": -1}, {"max_new_tokens": 0}, {"seed": 2**64}])
def test_a_lane_outside_of_the_records_bounds_is_refused(
    engine: LocalEngine, own: dict[str, int]
) -> None:
    with pytest.raises(UsageError, match=r"Lane a: (seed|max_new_tokens) cannot be"):
        next(engine.generate(ask(lane("a", **own))))
    with pytest.raises(UsageError, match="no lane"):
        next(engine.generate(ask()))

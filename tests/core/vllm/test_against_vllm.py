"""vLLM itself, with the demo pair, against the local engine.

One engine for many comparisons, as one takes up to a minute to open: each that fails is named.
"""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.config.vllm_settings import VllmSettings
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.remote import RemoteEngine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.errors import ContextError, EngineError
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.protocol import Event, Forget, Lane, Request, ScoreRequest, SetAlpha, Stop
from logit_amp_chat.core.reading import PlainText, ReadBlock
from logit_amp_chat.core.records import Opening, Reply, Step
from tests.core.engine import sampling
from tests.core.engine.test_read import by_hand
from tests.core.vllm.readings import (
    READINGS,
    TEXT,
    compare_readings,
    compare_rescored,
    reading,
    steps_of,
)
from tests.core.vllm.requests import (
    ALPHAS,
    CLOSE,
    SAMPLINGS,
    compare,
    compare_samples,
    finish,
    request,
    say,
    steps,
)
from tests.core.vllm.test_modules import PYTHON
from tests.served import served

NAMES = [f"r{alpha:+}" for alpha in ALPHAS]
PROMPTS = ("Tell me about penguins.", "What is the sea?")
# Few tokens in a pass, so that prompts and texts are read in parts, and few blocks of the cache,
# so that many lanes fill it.
SETTINGS = VllmSettings(
    max_model_len=256,
    arguments={
        "max_num_batched_tokens": 64,
        "max_num_seqs": 64,
        "num_gpu_blocks_override": 16,
    },
)

Engines = tuple[LocalEngine, VllmEngine]


def opened(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, settings: VllmSettings = SETTINGS
) -> Iterator[Engines]:
    if PYTHON is None:
        pytest.skip("vLLM's environment is not there: ./setup.sh vllm")
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(PYTHON))
    engine = VllmEngine.open(profile.model_copy(update={"engine": "vllm", "vllm": settings}))
    with contextlib.closing(engine):
        yield LocalEngine.open(profile), engine


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    yield from opened(load_profile("demo"), monkeypatch)


def test_vllm_answers_as_the_local_engine_does(engines: Engines) -> None:
    assert engines[1].opened.session.context == SETTINGS.max_model_len
    check(engines, replies, given_tokens, scores, openings, alpha_in_mid_reply, stops, sweep)
    check(engines, rescored, readings, long_text, plain_forwards, stopped_reading)
    check(engines, over_http, two_clients_at_once)
    check(engines, branches, full_cache_of_lanes, full_cache_of_a_sweep, end_of_the_context, death)


def check(engines: Engines, *comparisons: Callable[[LocalEngine, VllmEngine], None]) -> None:
    failures = []
    for one in comparisons:
        try:
            one(*engines)
        except AssertionError:
            failures.append(f"{one.__name__}: {traceback.format_exc(limit=-2)}")
    assert not failures, "\n".join(failures)


def replies(local: LocalEngine, other: VllmEngine) -> None:
    for text in PROMPTS:
        for chosen in SAMPLINGS.values():
            asked = request(chosen, 40, text)
            compare(answered(local, asked), answered(other, asked), NAMES)


def answered(engine: LocalEngine, asked: object) -> list[Event]:
    engine.apply(Forget())
    return list(engine.generate(asked))  # type: ignore[arg-type]


def given_tokens(local: LocalEngine, other: VllmEngine) -> None:
    asked = request(SAMPLINGS["free"], 12, begin="I think that")
    compare(answered(local, asked), answered(other, asked), NAMES)


def scores(local: LocalEngine, other: VllmEngine) -> None:
    said = answered(local, request(SAMPLINGS["free"], 20, PROMPTS[0]))
    prompt = next(event.prompt for event in said if isinstance(event, Reply))
    tokens = tuple(step.token for step in steps(said, NAMES[2]))
    asked = ScoreRequest(prompt=prompt, tokens=tokens, lanes=request(SAMPLINGS["free"], 1).lanes)
    compare(list(local.score(asked)), list(other.score(asked)), NAMES)


def openings(local: LocalEngine, other: VllmEngine) -> None:
    asked = OpeningsRequest(messages=say(PROMPTS[0]), alpha=1.0)
    ours, theirs = (
        next(e for e in one.openings(asked) if isinstance(e, Opening)) for one in (local, other)
    )
    assert [c.id for c in ours.top] == [c.id for c in theirs.top]
    assert abs(ours.kl - theirs.kl) < 2e-4


def over_http(local: LocalEngine, other: VllmEngine) -> None:
    """Behind our server, to a client of ours: what it says has not changed on the way."""
    with served(other, load_profile("demo")) as server:
        remote = RemoteEngine.open(server.connection())
        with contextlib.closing(remote):
            for chosen in ("greedy", "nucleus", "stopped"):
                asked = request(SAMPLINGS[chosen], 30, PROMPTS[0])
                remote.apply(Forget())
                compare(answered(local, asked), list(remote.generate(asked)), NAMES)
            read = reading("one window")
            compare_readings(list(local.read(read)), list(remote.read(read)))


def two_clients_at_once(local: LocalEngine, other: VllmEngine) -> None:
    asked = [request(SAMPLINGS["free"], 30, text) for text in PROMPTS]
    with served(other, load_profile("demo")) as server, ThreadPoolExecutor(2) as pool:
        clients = [RemoteEngine.open(server.connection()) for _ in asked]
        for one, got in zip(asked, pool.map(_generated, clients, asked), strict=True):
            compare(answered(local, one), got, NAMES)
        for client in clients:
            client.close()


def _generated(client: RemoteEngine, asked: Request) -> list[Event]:
    return list(client.generate(asked))


def changed(engine: LocalEngine, change: Callable[[Step], SetAlpha | Stop | None]) -> list[Event]:
    events = []
    for event in engine.generate(request(SAMPLINGS["greedy"], 20, PROMPTS[1])):
        events.append(event)
        if isinstance(event, Step) and (command := change(event)):
            engine.apply(command)
    return events


def alpha_in_mid_reply(local: LocalEngine, other: VllmEngine) -> None:
    def change(step: Step) -> SetAlpha | None:
        return SetAlpha(NAMES[1], 1.5) if (step.reply, step.index) == (NAMES[-1], 4) else None

    ours, theirs = changed(local, change), changed(other, change)
    compare(ours, theirs, NAMES)
    assert [step.alpha for step in steps(theirs, NAMES[1])][4:6] == [0.0, 1.5]


def stops(_: LocalEngine, other: VllmEngine) -> None:
    events = changed(
        other, lambda s: Stop(NAMES[0]) if (s.reply, s.index) == (NAMES[-1], 4) else None
    )
    assert finish(events, NAMES[0])[:2] == ("cancelled", 5)
    assert finish(events, NAMES[1])[0] != "cancelled"


def sweep(local: LocalEngine, other: VllmEngine) -> None:
    asked = sampling.ask(sampling.draws(12, 3), rows=5, top=3)
    compare_samples(list(local.sample(asked)), list(other.sample(asked)))


def rescored(local: LocalEngine, other: VllmEngine) -> None:
    penalized = sampling.FREE.model_copy(update={"repetition_penalty": 1.3, "dry_multiplier": 0.8})
    for chosen in ({}, {"amplify_first": 4}, {"sampling": penalized}):
        asked = sampling.ask(sampling.draws(12, 3), **chosen)
        again = sampling.rescore(list(local.sample(asked)), asked)
        compare_rescored(list(local.rescore(again)), list(other.rescore(again)))


def readings(local: LocalEngine, other: VllmEngine) -> None:
    for name in READINGS:
        asked = reading(name)
        compare_readings(list(local.read(asked)), list(other.read(asked)))


def long_text(local: LocalEngine, other: VllmEngine) -> None:
    """Windows as long as the context, each read in several passes."""
    long = PlainText(text=TEXT * 4)
    whole = reading("candidates everywhere", content=long, window=256, stride=99)
    compare_readings(list(local.read(whole)), list(other.read(whole)))


def plain_forwards(local: LocalEngine, other: VllmEngine) -> None:
    """Against models that transformers alone loads, each window a pass of its own."""
    profile = load_profile("demo")
    asked = reading("one window", window=90, stride=60)
    found = [(s.logp.before, s.logp.after, s.kl) for s in steps_of(list(other.read(asked)))]
    expected = by_hand(profile, window=90, stride=60)
    assert len(found) == len(expected)
    for one, another in zip(found, expected, strict=True):
        assert one == pytest.approx(another, abs=CLOSE)


def stopped_reading(local: LocalEngine, other: VllmEngine) -> None:
    events: list[Event] = []
    for event in other.read(reading("one window")):
        events.append(event)
        if isinstance(event, ReadBlock):
            other.apply(Stop())
    assert finish(events, "d")[:2] == ("cancelled", len(steps_of(events)))
    asked = request(SAMPLINGS["free"], 12)
    compare(answered(local, asked), answered(other, asked), NAMES)


def branches(local: LocalEngine, other: VllmEngine) -> None:
    """A conversation, a branch of its last reply and that once more: prefixes are cached."""
    talk = sampling.messages(PROMPTS[0], "They swim well.", PROMPTS[1])
    first = request(SAMPLINGS["free"], 20, messages=talk)
    ours = answered(local, first)
    compare(ours, answered(other, first), NAMES)
    begun = tuple(step.token for step in steps(ours, NAMES[2])[:6])
    for asked in (replace(first, forced=begun), first):
        compare(list(local.generate(asked)), list(other.generate(asked)), NAMES)


def full_cache_of_lanes(local: LocalEngine, other: VllmEngine) -> None:
    """More tokens than the cache holds: some lanes wait, and are then read anew."""
    lanes = tuple(
        Lane(reply=f"s{n}", name="x", alpha=ALPHAS[n % len(ALPHAS)], seed=n) for n in range(16)
    )
    asked = request(SAMPLINGS["free"], 100, PROMPTS[0], lanes=lanes)
    ours, theirs = answered(local, asked), answered(other, asked)
    compare(ours, theirs, [lane.reply for lane in lanes])
    assert sum(isinstance(event, Step) for event in theirs) > other._process.facts["cache_tokens"]


def full_cache_of_a_sweep(local: LocalEngine, other: VllmEngine) -> None:
    asked = sampling.ask(sampling.draws(40, 3), rows=40)
    theirs = list(other.sample(asked))
    compare_samples(list(local.sample(asked)), theirs)
    said = sum(len(reply.tokens) for reply in sampling.sampled(theirs).values())
    assert said > other._process.facts["cache_tokens"]


def end_of_the_context(local: LocalEngine, other: VllmEngine) -> None:
    """A reply ends with the context, and a conversation that is longer is refused."""
    asked = request(SAMPLINGS["free"], 100, "I like penguins and the sea. " * 32)
    ours, theirs = answered(local, asked), answered(other, asked)
    prompt = next(len(event.prompt.after) for event in theirs if isinstance(event, Reply))
    room = other.pair.context - prompt
    assert finish(theirs, NAMES[2])[:2] == ("context", room)
    tokens = [step.token for step in steps(ours, NAMES[2])]
    assert [step.token for step in steps(theirs, NAMES[2])] == tokens[:room]
    with pytest.raises(ContextError):
        answered(other, request(SAMPLINGS["free"], 9, "I like penguins and the sea. " * 99))


def death(_: LocalEngine, other: VllmEngine) -> None:
    with pytest.raises(EngineError, match=r"^The vLLM process died \(SIGKILL"):
        changed(other, lambda step: os.kill(other._process.pid, signal.SIGKILL))
    assert not Path(f"/proc/{other._process.pid}/fd").exists()

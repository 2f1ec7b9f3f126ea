"""vLLM itself, with the demo pair, against the local engine.

One engine for many comparisons, as one takes up to a minute to open: each that fails is named.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, VllmSettings, load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.protocol import Event, Forget, ScoreRequest, SetAlpha, Stop
from logit_amp_chat.core.records import Opening, Reply, Step
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
from tests.core.vllm.test_modules import PYTHON

NAMES = [f"r{alpha:+}" for alpha in ALPHAS]
PROMPTS = ("Tell me about penguins.", "What is the sea?")
SETTINGS = VllmSettings(max_model_len=256)

Engines = tuple[LocalEngine, VllmEngine]


def opened(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    if PYTHON is None:
        pytest.skip("vLLM's environment is not there: ./setup.sh vllm")
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(PYTHON))
    engine = VllmEngine.open(profile.model_copy(update={"engine": "vllm", "vllm": SETTINGS}))
    yield LocalEngine.open(profile), engine
    engine.close()


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    yield from opened(load_profile("demo"), monkeypatch)


def test_vllm_answers_as_the_local_engine_does(engines: Engines) -> None:
    assert engines[1].opened.session.context == SETTINGS.max_model_len
    check(engines, replies, given_tokens, scores, openings, alpha_in_mid_reply, stops, sweep, death)


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


def death(_: LocalEngine, other: VllmEngine) -> None:
    with pytest.raises(EngineError, match=r"^The vLLM process died \(SIGKILL"):
        changed(other, lambda step: os.kill(other._process.pid, signal.SIGKILL))
    assert not Path(f"/proc/{other._process.pid}/fd").exists()

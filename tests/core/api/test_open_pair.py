"""A pair in Python: the same replies, records and errors as everywhere, here or in a process."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from logit_amp_chat import ContextError, OpenPair, PairError, ProfileError, UsageError, open_pair
from logit_amp_chat.core.api.request import make_request
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding import pair_runner
from logit_amp_chat.core.engine.exclusive import Exclusive
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import ProcessEngine
from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.protocol import (
    Event,
    Forget,
    Lane,
    Loading,
    Prefill,
    Request,
    ScoreRequest,
    Stop,
)
from logit_amp_chat.core.records import Finish, PromptIds, Step
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.commands import main as cli

PROMPT = "Tell me about otters"
FREE: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "plausibility": 0.0}


@pytest.fixture(scope="module", params=["here", "process"])
def pair(request: pytest.FixtureRequest, tiny_pair: Callable[..., Profile]) -> Iterator[OpenPair]:
    with open_pair(tiny_pair(), process=request.param == "process") as pair:
        yield pair


def tokens(steps: Sequence[Step]) -> list[int]:
    return [step.token for step in steps]


def test_replies_are_those_of_an_engine(pair: OpenPair, tiny_pair: Callable[..., Profile]) -> None:
    replies = pair.reply(PROMPT, alpha=[-1, 0, 2], seed=5, max_new_tokens=8, **FREE)
    assert [(reply.alpha, reply.seed) for reply in replies] == [(-1, 5), (0, 5), (2, 5)]
    alone = LocalEngine.open(tiny_pair())
    options = {**FREE, "max_new_tokens": 8}
    request = make_request(tiny_pair(), PROMPT, alpha=[-1, 0, 2], seed=5, **options)
    said = [event for event in alone.generate(request) if isinstance(event, Step)]
    for lane, reply in zip(request.lanes, replies, strict=True):
        ours = [step for step in said if step.reply == lane.reply]
        assert tokens(ours) == tokens(reply.steps)
        assert [s.logp for s in ours] == [s.logp for s in reply.steps]
        assert reply.finish is not None
        assert reply.finish.tokens == len(reply.steps)


def test_a_stream_gives_the_same_tokens(pair: OpenPair) -> None:
    streamed = list(pair.stream(PROMPT, alpha=2.0, seed=5, max_new_tokens=8, **FREE))
    (reply,) = pair.reply(PROMPT, alpha=2.0, seed=5, max_new_tokens=8, **FREE)
    assert tokens(streamed) == tokens(reply.steps)


def test_a_stream_that_was_left_is_ended_by_the_next_request(pair: OpenPair) -> None:
    expected = pair.reply(PROMPT, alpha=0, seed=1, max_new_tokens=6, **FREE)[0].text
    stream = pair.stream(PROMPT, alpha=2.0, max_new_tokens=30, **FREE)
    next(stream)
    assert pair.reply(PROMPT, alpha=0, seed=1, max_new_tokens=6, **FREE)[0].text == expected
    assert list(stream) == []


def test_every_alpha_is_answered_with_every_seed(pair: OpenPair) -> None:
    replies = pair.reply(PROMPT, alpha=[0, 1], seed=range(3), max_new_tokens=6, **FREE)
    assert [(r.alpha, r.seed) for r in replies] == [(a, s) for a in (0, 1) for s in range(3)]
    one = replies.at(alpha=1, seed=2)
    alone = pair.reply(PROMPT, alpha=1, seed=2, max_new_tokens=6, **FREE)
    assert tokens(alone[0].steps) == tokens(one.steps)


def test_turns_are_rendered_as_in_a_chat(pair: OpenPair) -> None:
    turns = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": PROMPT},
    ]
    (reply,) = pair.reply(turns, alpha=0, max_new_tokens=2, system="Be kind")
    assert reply.record.turn == 1
    (raw,) = pair.reply("Hello", raw=True, alpha=0, max_new_tokens=2)
    assert len(raw.record.prompt.after) < len(reply.record.prompt.after)


def test_given_tokens_are_scored_as_an_engine_here_scores_them(
    pair: OpenPair, tiny_pair: Callable[..., Profile]
) -> None:
    ids = PromptIds(before=(5, 6), after=(5, 6))
    lanes = (Lane(reply="r", name="", alpha=1.5),)
    request = ScoreRequest(prompt=ids, tokens=(40, 41, 42), lanes=lanes)
    pair.engine.apply(Forget())
    alone = LocalEngine.open(tiny_pair())
    ours, theirs = (
        [event for event in engine.score(request) if isinstance(event, Step)]
        for engine in (pair.engine, alone)
    )
    assert tokens(ours) == [40, 41, 42]
    assert ours == theirs


def test_a_conversation_that_is_too_long(pair: OpenPair) -> None:
    with pytest.raises(ContextError, match="context is used up"):
        pair.reply("otters " * 2000)
    assert pair.reply(PROMPT, max_new_tokens=1)[0].steps


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_ends_every_lane_and_keeps_what_was_said(
    pair: OpenPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = pair.engine.generate

    def interrupted(request: Request) -> Iterator[Event]:
        for event in generate(request):
            yield event
            if isinstance(event, Step) and event.index == 1:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(pair.engine, "generate", interrupted)
    replies = pair.reply(PROMPT, alpha=0, seed=5, max_new_tokens=100_000, **FREE)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is before
    assert len(replies[0].steps) >= 2
    assert replies[0].finish is not None
    assert replies[0].finish.reason == "cancelled"
    assert pair.reply(PROMPT, max_new_tokens=1)[0].steps


def test_what_is_saved_can_be_verified(
    pair: OpenPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = pair.reply(PROMPT, alpha=[0, 2], seed=[3, 4], max_new_tokens=5, **FREE)
    replies.save(tmp_path / "saved.jsonl")
    assert read_records(tmp_path / "saved.jsonl") == list(replies.records)
    assert cli.run(["verify", str(tmp_path / "saved.jsonl")]) == 0
    assert "4 of 4 replies are identical" in capsys.readouterr().out


def test_a_closed_pair_says_so(tiny_pair: Callable[..., Profile]) -> None:
    with open_pair(tiny_pair()) as pair:
        stream = pair.stream(PROMPT, max_new_tokens=9)
        next(stream)
    assert list(stream) == []
    pair.close()
    with pytest.raises(UsageError, match="closed"):
        pair.reply(PROMPT)
    assert repr(pair).startswith("<closed pair")


def test_loading_is_reported_and_options_reach_the_profile(
    tiny_pair: Callable[..., Profile],
) -> None:
    stages: list[Loading] = []
    given = {"dtype": "float32", "device": "cpu", "vocabulary": "by-id"}
    with open_pair(tiny_pair(), **given, report=stages.append) as pair:  # type: ignore[arg-type]
        assert {name: getattr(pair.profile, name) for name in given} == given
    assert {"weights", "warm-up"} <= {loading.stage for loading in stages}


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        ({"profile": "no-such"}, ProfileError, "no profile 'no-such'"),
        ({"before": "org/a"}, UsageError, "after is missing"),
        ({"after": "org/b"}, UsageError, "before is missing"),
        ({"dtype": "int3"}, UsageError, "dtype: expected"),
        ({"vocabulary": "same"}, UsageError, "vocabulary: expected 'by-name' or 'by-id'"),
        ({"device": "gpu"}, UsageError, "device: expected auto, cpu, cuda or cuda:N"),
        ({"before": "./nowhere", "after": "./nowhere"}, ProfileError, "does not exist"),
    ],
)
def test_what_cannot_be_opened_is_refused(
    arguments: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        open_pair(**arguments)


def test_a_pair_that_cannot_be_loaded_is_the_same_error_from_a_process(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for process in (False, True):
        with pytest.raises(PairError, match="cannot be read as a language model"):
            open_pair(before=str(tmp_path), after=str(tmp_path), process=process)


def test_a_process_that_dies_is_an_engine_error(tiny_pair: Callable[..., Profile]) -> None:
    with open_pair(tiny_pair(), process=True) as pair:
        assert isinstance(pair.engine, ProcessEngine)
        pid = pair.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it takes the request and answers nothing
        stream = pair.stream(PROMPT)
        threading.Timer(0.1, os.kill, (pid, signal.SIGKILL)).start()
        with pytest.raises(EngineError, match="SIGKILL"):
            next(stream)
        with pytest.raises(EngineError, match="gone"):
            pair.reply(PROMPT)


def test_what_was_said_before_an_engine_died_is_not_lost(
    pair: OpenPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = pair.engine.generate

    def dying(request: Request) -> Iterator[Event]:
        for event in generate(request):
            yield event
            if isinstance(event, Step) and event.index == 1:
                raise EngineError("The engine process died (SIGKILL).")

    monkeypatch.setattr(pair.engine, "generate", dying)
    (reply,) = pair.reply(PROMPT, alpha=0, seed=5, max_new_tokens=9, **FREE)
    assert len(reply.steps) == 2
    assert reply.finish is not None
    assert (reply.finish.reason, reply.finish.tokens) == ("error", 2)
    assert "SIGKILL" in (reply.finish.error or "")


def test_an_unexpected_failure_keeps_what_was_said_and_a_pair_in_a_process_is_gone(
    pair: OpenPair, tiny_pair: Callable[..., Profile]
) -> None:
    with open_pair(tiny_pair(), process=True) as other:
        request = make_request(tiny_pair(), PROMPT, alpha=0, seed=5)
        broken = dataclasses.replace(request, top="a")  # type: ignore[arg-type]
        for _ in range(2):
            with pytest.raises(EngineError):
                list(other.engine.generate(broken))
        with pytest.raises(EngineError, match="gone"):
            other.reply(PROMPT)


def test_a_stream_keeps_its_pair(tiny_pair: Callable[..., Profile]) -> None:
    stream = open_pair(tiny_pair()).stream(PROMPT, alpha=1, seed=5, max_new_tokens=4, **FREE)
    gc.collect()
    assert len(list(stream)) == 4


def test_a_stream_has_one_reply(pair: OpenPair) -> None:
    with pytest.raises(UsageError, match="A stream is one reply"):
        pair.stream(PROMPT, alpha=[0, 1])  # type: ignore[arg-type]


def test_a_second_generator_ends_the_first(pair: OpenPair) -> None:
    request = make_request(pair.profile, PROMPT, alpha=2, seed=5, max_new_tokens=30, **FREE)
    pair.engine.apply(Forget())
    first = pair.engine.generate(request)
    seen = [next(first) for _ in range(4)]
    other = make_request(pair.profile, "sea", alpha=0, seed=5, max_new_tokens=6, **FREE)
    pair.engine.apply(Forget())
    second = [e for e in pair.engine.generate(other) if isinstance(e, Step)]
    assert {step.alpha for step in second} == {0.0}
    assert list(first) == []
    pair.engine.apply(Forget())
    again = [e for e in pair.engine.generate(request) if isinstance(e, Step)]
    ours = [event for event in seen if isinstance(event, Step)]
    assert again[: len(ours)] == ours


def test_threads_are_told_to_take_turns(pair: OpenPair, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()
    replies: list[Event] = []

    def slow(request: Request) -> Iterator[Event]:
        for event in generate(request):
            entered.set()
            leave.wait(60)
            yield event

    generate = pair.engine.generate
    request = make_request(pair.profile, PROMPT, alpha=0, seed=5, max_new_tokens=3, **FREE)
    running = Exclusive[Event]()
    first = running.run(cast("Generator[Event, None, None]", slow(request)))
    thread = threading.Thread(target=lambda: replies.extend(first))
    thread.start()
    assert entered.wait(60)
    with pytest.raises(UsageError, match="answering another request"):
        next(running.run(cast("Generator[Event, None, None]", slow(request))))
    leave.set()
    thread.join(60)
    assert sum(isinstance(event, Step) for event in replies) == 3


def test_a_pair_that_is_dropped_ends_its_process(tiny_pair: Callable[..., Profile]) -> None:
    pair = open_pair(tiny_pair(), process=True)
    assert isinstance(pair.engine, ProcessEngine)
    pid = pair.engine.pid
    assert pid is not None
    del pair
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_stream_that_was_left_does_not_hold_up_the_end(
    tiny_pair: Callable[..., Profile],
) -> None:
    pair = open_pair(tiny_pair(), process=True)
    assert isinstance(pair.engine, ProcessEngine)
    pid = pair.engine.pid
    assert pid is not None
    stream = pair.stream(PROMPT, alpha=1, seed=5, **FREE)
    next(stream)
    os.kill(pid, signal.SIGSTOP)
    pair.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_long_prompt_can_be_stopped(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_runner, "prefill_chunk", lambda device: 4)
    engine = LocalEngine.open(tiny_pair())
    request = make_request(tiny_pair(), "otters " * 30, alpha=[0, 1], seed=5, **FREE)
    events = []
    for event in engine.generate(request):
        events.append(event)
        if isinstance(event, Prefill):
            engine.apply(Stop())
    assert sum(isinstance(event, Prefill) for event in events) == 1
    reasons = [event.reason for event in events if isinstance(event, Finish)]
    assert reasons == ["cancelled", "cancelled"]
    fresh = [e for e in LocalEngine.open(tiny_pair()).generate(request) if isinstance(e, Step)]
    again = [e for e in engine.generate(request) if isinstance(e, Step)]
    assert tokens(again) == tokens(fresh)

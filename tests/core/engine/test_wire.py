"""Every request, command and event is the same on the other machine."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy
import pytest

from logit_amp_chat.core.engine import wire
from logit_amp_chat.core.protocol import (
    Drain,
    Failed,
    Forget,
    Idle,
    Lane,
    Request,
    ScoreRequest,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.reading import Chat, PlainText, ReadRequest, Recorded, TokenSums
from logit_amp_chat.core.records import Candidate, LogProbs, Message, PromptIds
from logit_amp_chat.core.samples import Draw, SamplePrompt, SampleRequest, TokenLogProbs
from logit_amp_chat.core.samples import SampledReply as Sampled
from logit_amp_chat.core.sampling import Sampling
from tests.core.samples import finish, reply, step

SAID = Message(id="m", parent=None, role="user", text="Otters é?", token_ids=(1, 2))
LANE = Lane(reply="r", name="amplified", alpha=1.5, messages=(SAID,), seed=3)
REQUESTS = [
    Request(messages=(SAID,), lanes=(LANE,), sampling=Sampling(stop=("x",)), template={"a": True}),
    ScoreRequest(prompt=PromptIds((1,), (2,)), tokens=(3, 4), lanes=(LANE,)),
    ReadRequest(document="d", content=PlainText(text="a")),
    ReadRequest(document="d", content=PlainText(text="a"), threshold=math.inf),
    ReadRequest(document="d", content=Chat(messages=(SAID,), score="user")),
    ReadRequest(document="d", content=Recorded(prompt=PromptIds((1,), (1,)), tokens=(2,))),
    SampleRequest(
        prompts=(SamplePrompt(messages=(SAID,)),),
        draws=(Draw(reply="r", prompt=0, alpha=0.5, seed=1),),
        sampling=Sampling(),
    ),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_is_the_same(request_: Request) -> None:
    assert wire.request_of(wire.to_line(request_)) == request_


@pytest.mark.parametrize(
    "command",
    [SetAlpha("r", -1.0), SetSampling(Sampling(top_k=3)), Stop(), Stop("r"), Forget(), Drain()],
)
def test_a_command_is_the_same(command: SetAlpha) -> None:
    assert wire.adjustment_of(wire.to_line(command)) == command


def test_a_step_is_the_same_to_the_last_digit_with_what_is_infinite() -> None:
    seen = replace(
        step(0, " a"),
        logp=LogProbs(-math.inf, -0.1 - 1e-17, -1 / 3),
        kl=math.inf,
        top=(Candidate(3, " a", -math.inf, -0.25, -math.inf),),
    )

    assert wire.event_of(wire.to_line(seen)) == seen


def test_log_probabilities_of_a_sample_may_be_those_of_zero() -> None:
    measured = TokenLogProbs(q=((-math.inf, -0.5),), before=(-1.0,), after=(-2.0,), kl=(0.5,))
    sampled = Sampled(
        reply="r",
        prompt=0,
        alpha=0.0,
        seed=0,
        tokens=(1,),
        text="a",
        lengths=(1,),
        log_probs=measured,
        finish="stop",
    )

    assert wire.event_of(wire.to_line(sampled)) == sampled


def sums(before: list[float], after: list[float]) -> TokenSums:
    return TokenSums(
        document="d", positions=3, before=numpy.array(before), after=numpy.array(after)
    )


def test_sums_over_a_vocabulary_are_the_same_to_the_last_digit() -> None:
    sent = sums([0.1 + 1e-17, 2 / 3, 0.0], [1e-300, 3.0, 0.25])
    got = wire.event_of(wire.to_line(sent))

    assert isinstance(got, TokenSums)
    assert (got.document, got.positions) == ("d", 3)
    assert [*got.before] == [*sent.before]
    assert [*got.after] == [*sent.after]


@pytest.mark.parametrize(
    "sent",
    [
        sums([0.5], [0.5, 0.5]),
        sums([-0.1, 0.0], [0.5, 0.5]),
        sums([0.5, 0.5], [0.5, 3.5]),
        sums([math.nan, 0.5], [0.5, 0.5]),
        sums([0.5, math.inf], [0.5, 0.5]),
    ],
    ids=["sizes", "negative", "more than positions", "nan", "infinite"],
)
def test_what_cannot_be_sums_of_probabilities_is_an_error(sent: TokenSums) -> None:
    with pytest.raises(wire.WireError, match="TokenSums"):
        wire.event_of(wire.to_line(sent))


@pytest.mark.parametrize("event", [reply(), finish(), Idle(), Failed(message="No.")])
def test_an_event_is_the_same(event: Idle) -> None:
    assert wire.event_of(wire.to_line(event)) == event


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'["Idle"',
        b'["Popen",{}]',
        b'["Request",{}]',
        b'["Stop",{"reply":5}]',
        b'["SetAlpha",{"reply":"r","alpha":"NaN"}]',
        b'["SetAlpha",{"reply":"r","alpha":1e999}]',
        b'["TokenSums",{}]',
        b"[" * 100_000,
        json.dumps(["Step", {"type": "step"}]).encode(),
    ],
)
def test_a_line_that_is_nothing_of_ours_is_an_error(line: bytes) -> None:
    for parse in (wire.request_of, wire.adjustment_of, wire.event_of):
        with pytest.raises(wire.WireError):
            parse(line)

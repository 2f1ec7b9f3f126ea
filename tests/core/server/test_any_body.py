"""Whatever is sent to whatever route: an answer, or a refusal in words, and never a failure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine import wire
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import AnyRequest, Lane, Request, ScoreRequest, SetAlpha, Stop
from logit_amp_chat.core.reading import Chat, NamesRequest, PlainText, ReadRequest, Recorded
from logit_amp_chat.core.records import Message, PromptIds
from logit_amp_chat.core.samples import Draw, Given, RescoreRequest, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.server.limits import Limits
from tests.served import TOKEN, served

SAID = (Message(id="m", parent=None, role="user", text="Otters?"),)
ANSWER = Message(id="a", parent="m", role="assistant", text="Yes.", token_ids=(5, 6))
IDS = PromptIds((5, 6), (5, 6))
LANES = (Lane(reply="r", name="after", alpha=0.0),)
SHORT = Sampling(max_new_tokens=3)
BODIES: dict[str, list[dict[str, Any]]] = {
    "/v1/completions": [
        {"model": "base", "prompt": "Otters", "max_tokens": 2, "logprobs": 2, "echo": True},
        {"model": "amplified", "alpha": 1, "prompt": [5, 6], "max_tokens": 2, "stop": ["a"]},
    ],
    "/v1/chat/completions": [
        {
            "model": "amplified:+1",
            "messages": [{"role": "user", "content": "Otters?"}],
            "max_tokens": 2,
            "logprobs": True,
            "top_logprobs": 2,
            "n": 2,
        }
    ],
}
ASKED: list[AnyRequest] = [
    Request(messages=SAID, lanes=LANES, sampling=SHORT),
    Request(messages=SAID, lanes=LANES, sampling=SHORT, prompt=IDS, forced=(7,), begin="I"),
    Request(messages=(*SAID, ANSWER, *SAID), lanes=LANES, sampling=SHORT),
    ScoreRequest(prompt=IDS, tokens=(7, 8), lanes=LANES),
    OpeningsRequest(messages=SAID, alpha=1.0, top=5),
    PromptRequest(messages=SAID),
    ReadRequest(document="d", content=PlainText(text="Otters."), window=8, stride=4),
    ReadRequest(document="d", content=Chat(messages=(*SAID, ANSWER))),
    ReadRequest(document="d", content=Recorded(prompt=IDS, tokens=(7, 8)), alphas=(0.5,)),
    NamesRequest((5, 6, 300)),
    RescoreRequest(
        replies=(Given(reply="g", ids=IDS, tokens=(7, 8)),), sampling=SHORT, grid=(0.0, 0.5)
    ),
    SampleRequest(
        prompts=(SamplePrompt(messages=SAID),),
        draws=(Draw(reply="s", prompt=0, alpha=0.5, seed=1),),
        sampling=SHORT,
        grid=(0.0, 0.5),
    ),
]
STRANGE: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1e308, 10**30, 0.5, "", "a\x00b", "\x1b[2J", "é" * 50, [], {}, [[]], [None]]
)
REFUSED = (400, 404, 413)


@pytest.fixture(scope="module")
def client(tiny_pair: Callable[..., Profile]) -> Iterator[httpx2.Client]:
    profile = tiny_pair()
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Client": "a" * 32}
    limits = Limits(tokens=64, sampled=500, lanes=4)
    with (
        served(LocalEngine.open(profile), profile, limits) as server,
        httpx2.Client(base_url=server.url, headers=headers, timeout=60) as client,
    ):
        yield client


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a document, its own first."""
    yield path
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, name))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The document with another value at one place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@st.composite
def mutants(draw: st.DrawFn, documents: list[Any]) -> bytes:
    """A document with one to three values that do not belong there."""
    found = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([*places(found)][1:] or [()]))
        found = changed(found, path, draw(STRANGE))
    return json.dumps(found).encode()


@pytest.mark.parametrize("path", BODIES)
def test_a_body_of_openai_that_is_none_is_refused_in_words(
    path: str, client: httpx2.Client
) -> None:
    @settings(max_examples=50)
    @given(mutants(BODIES[path]))
    def check(body: bytes) -> None:
        answer = client.post(path, content=body)
        said = "" if answer.status_code == 200 else answer.json()["error"]["message"]
        impossible = "NaN" in said  # as at α 1e308
        assert answer.status_code in (200, *REFUSED, *[500] * impossible), (body, answer.text)
        assert said or answer.status_code == 200

    check()


def test_a_request_that_is_none_is_refused_in_words_or_answered_to_its_end(
    client: httpx2.Client,
) -> None:
    session = client.get("/v1/pair").json()["opened"][1]["session"]["id"]
    documents = [json.loads(wire.to_line(asked)) for asked in ASKED]
    handles = itertools.count()

    @settings(max_examples=100)
    @given(mutants(documents))
    def check(line: bytes) -> None:
        path = f"/v1/requests/{next(handles):032x}"
        put = client.put(f"{path}?session={session}&fresh=1", content=line)
        assert put.status_code in (204, *REFUSED), (line, put.text)
        if put.status_code != 204:
            assert put.json()["error"]["message"]
            return
        lines = client.get(f"{path}/events?after=0").text.splitlines()
        events = [event for event in lines if "Heartbeat" not in event]
        assert '["Idle",' in events[-1], (line, events[-1])
        assert not any("The engine failed" in event for event in events), (line, events)
        assert client.delete(path).status_code == 204

    check()


@pytest.mark.parametrize("command", [SetAlpha("r", 1.0), Stop("r")])
def test_a_command_that_is_none_is_refused_in_words(
    command: SetAlpha | Stop, client: httpx2.Client
) -> None:
    session = client.get("/v1/pair").json()["opened"][1]["session"]["id"]
    path = f"/v1/requests/{'c' * 32}"
    client.put(f"{path}?session={session}", content=wire.to_line(ASKED[3]))

    @settings(max_examples=20)
    @given(mutants([json.loads(wire.to_line(command))]))
    def check(line: bytes) -> None:
        answer = client.post(f"{path}/commands", content=line)
        assert answer.status_code in (204, *REFUSED), (line, answer.text)

    check()

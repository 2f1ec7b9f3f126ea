"""A pair on another machine answers as one here does, over a network that may fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.connection import Connection, RefusedError, checked_url
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.remote import RemoteClient, RemoteEngine, remote_profile
from logit_amp_chat.core.errors import ContextError, EngineError, UsageError
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import (
    Event,
    Failed,
    Forget,
    Heartbeat,
    Idle,
    Lane,
    Opened,
    Request,
    ScoreRequest,
    SetAlpha,
    Stop,
)
from logit_amp_chat.core.reading import (
    NamesRequest,
    PlainText,
    ReadRequest,
    StageReadRequest,
    TokenSums,
)
from logit_amp_chat.core.records import Finish, Message, PromptIds, Step
from logit_amp_chat.core.samples import (
    Draw,
    RescoreRequest,
    SampledReply,
    SampleProgress,
    SamplePrompt,
    SampleRequest,
)
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.server.limits import Limits
from tests.chains import NAMES, three_stages
from tests.served import Network, Served, served

SAID = (Message(id="m", parent=None, role="user", text="Otters?"),)
LANES = (Lane(reply="r0", name="before", alpha=-1.0), Lane(reply="r1", name="amplified", alpha=1.5))


def request(tokens: int = 40) -> Request:
    return Request(
        messages=SAID, lanes=LANES, sampling=Sampling(max_new_tokens=tokens), template={}
    )


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture(scope="module")
def server(engine: LocalEngine, tiny_pair: Callable[..., Profile]) -> Iterator[Served]:
    with served(engine, tiny_pair(), Limits(heartbeat=0.2, segment=20_000)) as running:
        yield running


@pytest.fixture
def network(server: Served) -> Iterator[Network]:
    network = Network(server.url)
    yield network
    network.close()


@pytest.fixture
def remote(server: Served, network: Network) -> Iterator[RemoteEngine]:
    remote = RemoteEngine.open(server.connection(network.url))
    yield remote
    remote.close()


def told(events: Iterator[Event]) -> list[Event]:
    """The events without what depends on the clock."""
    found = [e for e in events if not isinstance(e, Heartbeat | SampleProgress)]
    return [
        Finish(reply=e.reply, reason=e.reason, tokens=e.tokens, seconds=0.0, stop=e.stop)
        if isinstance(e, Finish)
        else e
        for e in found
    ]


def local(engine: LocalEngine, ask: Callable[[LocalEngine], Iterator[Event]]) -> list[Event]:
    engine.apply(Forget())
    return told(ask(engine))


def test_what_was_opened_is_the_same(engine: LocalEngine, remote: RemoteEngine) -> None:
    assert remote.opened == engine.opened
    assert remote_profile(remote).before == remote_profile(remote).before


REQUESTS = [
    request(),
    ScoreRequest(prompt=PromptIds((5, 6), (5, 6)), tokens=(7, 8, 9), lanes=LANES),
    OpeningsRequest(messages=SAID, alpha=1.0, top=5),
    PromptRequest(messages=SAID),
    NamesRequest((5, 6, 300)),
    ReadRequest(document="d", content=PlainText(text="Otters eat fish and crabs.")),
    SampleRequest(
        prompts=(SamplePrompt(messages=SAID),),
        draws=tuple(Draw(reply=f"s{n}", prompt=0, alpha=0.5, seed=n) for n in range(3)),
        sampling=Sampling(max_new_tokens=5),
        grid=(0.0, 0.5),
    ),
]


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda r: type(r).__name__)
def test_every_request_is_answered_as_here(
    asked: Request, engine: LocalEngine, remote: RemoteEngine
) -> None:
    from logit_amp_chat.core.engine.asking import ask

    there = told(ask(remote, asked))

    assert there == local(engine, lambda here: ask(here, asked))


def test_two_clients_at_once_get_what_each_would_get_alone(
    engine: LocalEngine, server: Served
) -> None:
    clients = [RemoteEngine.open(server.connection()) for _ in range(2)]
    asked = [replace(request(), sampling=Sampling(max_new_tokens=40, seed=n)) for n in range(2)]
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda n: told(clients[n].generate(asked[n])), range(2))
    there = [*both]
    for client in clients:
        client.close()

    for one, got in zip(asked, there, strict=True):
        assert got == local(engine, partial(LocalEngine.generate, request=one))


def test_what_any_token_might_be_is_summed_as_here(
    engine: LocalEngine, remote: RemoteEngine
) -> None:
    text = PlainText(text="Otters eat fish and crabs.")
    asked = ReadRequest(document="d", content=text, sums=True)

    there, here = (
        next(e for e in one.read(asked) if isinstance(e, TokenSums)) for one in (remote, engine)
    )

    assert there.positions == here.positions > 0
    assert there.before.tobytes() == here.before.tobytes()
    assert there.after.tobytes() == here.after.tobytes()


def test_a_chain_reads_and_answers_as_here(tmp_path: Path) -> None:
    profile = three_stages(tmp_path)
    chain = ChainEngine.open(profile)
    text = PlainText(text="fish and crabs")
    read = StageReadRequest(document="d", content=text, stages=NAMES)
    lanes = (*LANES, Lane(reply="r2", name="sft", alpha=0.0, stages=("base", "sft")))
    asked = replace(request(8), lanes=lanes)
    with served(chain, profile) as server:
        remote = RemoteEngine.open(server.connection())
        there = [told(remote.read_stages(read)), nameless(remote.generate(asked))]
        remote.close()

    here = [told(chain.read_stages(read))]
    chain.apply(Forget())
    assert there == [*here, nameless(chain.generate(asked))]


def nameless(events: Iterator[Event]) -> list[Event]:
    """The steps alone: the session of a lane's stages has a name of its own."""
    return [event for event in told(events) if isinstance(event, Step)]


@pytest.mark.parametrize("after", [0, 3_000, 30_000])
def test_a_reply_goes_on_after_the_connection_was_cut(
    after: int, engine: LocalEngine, remote: RemoteEngine, network: Network
) -> None:
    network.cut_after = after

    there = told(remote.generate(request()))

    assert network.cuts == 1
    assert there == local(engine, lambda here: here.generate(request()))


def test_a_request_that_may_have_arrived_is_asked_once(
    engine: LocalEngine, remote: RemoteEngine, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []
    generate = engine.generate

    def counted(request: Request) -> Iterator[Event]:
        asked.append(request)
        return generate(request)

    monkeypatch.setattr(engine, "generate", counted)
    network.cut_after = 0  # the answer to PUT is lost

    list(remote.generate(request(3)))

    assert len(asked) == 1


def test_a_change_of_alpha_reaches_the_reply(remote: RemoteEngine) -> None:
    alphas = set()
    for event in remote.generate(request(2000)):
        if isinstance(event, Step) and event.reply == "r1":
            alphas.add(event.alpha)
            remote.apply(SetAlpha("r1", 2.0))
            if event.alpha == 2.0:
                remote.apply(Stop())

    assert 2.0 in alphas


def test_a_stop_reaches_the_reply(remote: RemoteEngine) -> None:
    answer = remote.generate(request(100_000 // 10))
    remote.apply(Stop())  # before it has begun

    ended = [event for event in answer if isinstance(event, Finish)]

    assert {finish.reason for finish in ended} <= {"cancelled", "stop"}
    assert len(ended) == 2


def test_what_the_engine_refuses_is_refused_here(remote: RemoteEngine) -> None:
    long = (Message(id="m", parent=None, role="user", text="otters " * 5000),)
    with pytest.raises(ContextError):
        list(remote.generate(Request(messages=long, lanes=LANES, sampling=Sampling())))

    assert isinstance([*remote.generate(request(2))][-1], Idle), "the next one is answered"


def test_more_than_a_client_may_ask_for_is_refused(remote: RemoteEngine) -> None:
    with pytest.raises(RefusedError, match="at most 16384 new tokens"):
        list(remote.generate(request(1_000_000)))


def test_another_client_has_no_use_for_a_handle(server: Served, remote: RemoteEngine) -> None:
    answer = remote.generate(request())
    next(answer)
    asked = remote._asked
    assert asked is not None

    with pytest.raises(EngineError, match="no longer has this answer"):
        list(server.connection().events(asked.handle, 0))


def test_a_server_that_was_started_anew_is_not_asked_what_the_one_before_was_meant_to_answer(
    engine: LocalEngine, remote: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = replace(engine.opened.session, id="another")
    monkeypatch.setattr(engine, "opened", replace(engine.opened, session=session))

    with pytest.raises(EngineError, match="it was started anew"):
        list(remote.generate(request()))


def test_a_wrong_token_is_one_sentence(server: Served) -> None:
    with pytest.raises(EngineError, match="refuses the token"):
        RemoteEngine.open(Connection(server.url, "x" * 20))


def test_no_server_is_one_sentence() -> None:
    with pytest.raises(EngineError, match="cannot be reached"):
        RemoteEngine.open(Connection("http://127.0.0.1:9", "x" * 20))


def test_a_server_that_stays_away_is_given_up_on(server: Served, network: Network) -> None:
    remote = RemoteEngine(server.connection(network.url), lost_seconds=0.0)
    remote.opened = server.queue.engine.opened
    answer = remote.generate(request(10_000))
    next(answer)
    network.cut()

    with pytest.raises(EngineError, match="could not be reached for 0 s"):
        list(answer)


@pytest.mark.parametrize(
    "url", ["ftp://a", "http://", "a:8", "http://a b", "http://a/b", "http://u:p@a", "http://a:x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        checked_url(url)


def test_an_address_that_is_not_encrypted_is_refused_unless_it_is_local() -> None:
    for url in ("http://10.0.0.1:8765", "http://example.com"):
        with pytest.raises(UsageError, match="not encrypted"):
            checked_url(url)
        assert checked_url(url, insecure=True) == url
    for url in ("http://127.0.0.1:8765", "http://localhost:1", "http://[::1]:8", "https://a"):
        assert checked_url(url) == url


class Listener:
    """What a chat takes from its engine."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = threading.Condition()

    def __call__(self, events: list[Event]) -> None:
        with self._news:
            self.events += events
            self._news.notify_all()

    def wait_for(self, kind: type[Event]) -> Event:
        with self._news:
            assert self._news.wait_for(lambda: any(isinstance(e, kind) for e in self.events), 60)
            return next(event for event in self.events if isinstance(event, kind))


def test_a_chat_gets_what_its_own_engine_process_would_report(
    server: Served, engine: LocalEngine, tiny_pair: Callable[..., Profile]
) -> None:
    listener = Listener()
    client = RemoteClient(server.connection, listener)  # type: ignore[arg-type]
    client.open(tiny_pair())
    assert listener.wait_for(Opened) == engine.opened
    listener.events.clear()
    client.send(request(5))
    listener.wait_for(Idle)
    client.close()

    there = told(iter(listener.events))
    assert there == local(engine, lambda here: here.generate(request(5)))
    assert client.latency() is None


def test_a_chat_is_told_of_another_pair(server: Served, tiny_pair: Callable[..., Profile]) -> None:
    listener = Listener()
    RemoteClient(server.connection, listener).open(tiny_pair("gpt2"))  # type: ignore[arg-type]

    failed = listener.wait_for(Failed)

    assert isinstance(failed, Failed)
    assert failed.fatal
    assert "has another pair: tiny llama" in failed.message


def test_rescoring_what_was_sampled_gives_the_same(remote: RemoteEngine) -> None:
    from logit_amp_chat.core.samples import Given, PromptRead, Rescored

    events = list(remote.sample(REQUESTS[-1]))  # type: ignore[arg-type]
    ids = next(event.ids for event in events if isinstance(event, PromptRead))
    first = next(event for event in events if isinstance(event, SampledReply))
    given = Given(reply=first.reply, ids=ids, tokens=first.tokens)
    asked = RescoreRequest(replies=(given,), sampling=Sampling(max_new_tokens=5), grid=(0.0, 0.5))

    (rescored,) = (e for e in remote.rescore(asked) if isinstance(e, Rescored))

    for mine, theirs in zip(rescored.log_probs.q, first.log_probs.q, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


def test_a_server_that_ends_ends_its_replies(
    engine: LocalEngine, tiny_pair: Callable[..., Profile]
) -> None:
    with served(engine, tiny_pair()) as server:
        remote = RemoteEngine.open(server.connection())
        answer = remote.generate(request(10_000))
        for event in answer:
            if isinstance(event, Step):
                break
        server.queue.end()

        ended = [event.reason for event in answer if isinstance(event, Finish)]

        assert len(ended) == 2
        assert set(ended) <= {"cancelled", "stop"}
        remote.close()

"""Clients that say too little, too slowly, or take nothing: each costs its own answer alone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import httpx2
import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine import wire
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.server.head_deadline import HeadDeadline
from logit_amp_chat.core.server.limits import Limits
from tests.served import TOKEN, Served, served

HEAD = f"GET /v1/ping HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
HANDLE = "0" * 32


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture
def server(
    engine: LocalEngine, tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    monkeypatch.setattr(HeadDeadline, "head_seconds", 0.2)
    limits = Limits(buffer=30_000, segment=10_000, linger=0.2, body_seconds=0.2, heartbeat=0.1)
    with served(engine, tiny_pair(), limits) as running:
        yield running


def connected(server: Served) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


@pytest.mark.parametrize("said", [b"", HEAD[:5], HEAD, HEAD + b"\r\n" + HEAD])
def test_a_head_that_does_not_come_ends_the_connection(said: bytes, server: Served) -> None:
    with connected(server) as client:
        client.sendall(said)
        answer = b"".join(iter(lambda: client.recv(4096), b""))  # to its end

    assert answer.count(b"204 No Content") == said.count(b"\r\n\r\n")


def test_a_body_that_does_not_come_is_refused(server: Served) -> None:
    begun = HEAD.replace(b"GET /v1/ping", b"POST /v1/completions") + b"Content-Length: 9\r\n\r\n{"
    with connected(server) as client:
        client.sendall(begun)
        assert b"408" in client.recv(4096)


def test_a_client_that_sleeps_in_mid_reply_does_not_keep_others_waiting(server: Served) -> None:
    lane = Lane(reply="r", name="after", alpha=0.0)
    said = (Message(id="m", parent=None, role="user", text="Otters?"),)
    asked = Request(messages=said, lanes=(lane,), sampling=Sampling(max_new_tokens=200))
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Client": "a" * 32}
    one = f"/v1/requests/{HANDLE}"
    session = server.queue.engine.opened.session.id
    with httpx2.Client(base_url=server.url, headers=headers, timeout=60) as client:
        put = client.put(f"{one}?session={session}", content=wire.to_line(asked))
        assert put.status_code == 204
        with connected(server) as sleeper:
            events = HEAD.replace(b"/v1/ping", f"{one}/events".encode())
            sleeper.sendall(events + b"X-Client: " + b"a" * 32 + b"\r\n\r\n")
            other = client.post(
                "/v1/completions", json={"model": "base", "prompt": "Otters", "max_tokens": 3}
            )

    assert other.status_code == 200

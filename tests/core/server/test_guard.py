"""What has no token, another name, another route or too large a body gets no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.server.limits import Limits
from tests.served import TOKEN, served

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
HANDLE = "0" * 32


@pytest.fixture(scope="module")
def client(tiny_pair: Callable[..., Profile]) -> Iterator[httpx2.Client]:
    profile = tiny_pair()
    with (
        served(LocalEngine.open(profile), profile, Limits(body=10_000)) as server,
        httpx2.Client(base_url=server.url, headers=AUTHORIZED) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/pair", "/v1/ping", f"/v1/requests/{HANDLE}/events", "/", "/v2"]
)
@pytest.mark.parametrize("header", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN])
def test_nothing_is_answered_without_the_token(
    path: str, header: str, client: httpx2.Client
) -> None:
    answer = client.get(path, headers={"Authorization": header})

    assert answer.status_code == 401
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/metrics"),
        ("GET", "/v1/models/"),
        ("POST", "/v1/models"),
        ("GET", "/v1/completions"),
        ("OPTIONS", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/collective_rpc"),
        ("GET", "/v1/requests"),
        ("GET", f"/v1/requests/{HANDLE}"),
        ("GET", "/v1/../v1/pair/x"),
    ],
)
def test_every_other_route_is_not_found(method: str, path: str, client: httpx2.Client) -> None:
    assert client.request(method, path).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.x:80"])
def test_a_page_that_names_another_host_is_refused(host: str, client: httpx2.Client) -> None:
    assert client.get("/v1/models", headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:9", "[::1]:80"])
def test_a_tunnel_names_this_host_with_another_port(host: str, client: httpx2.Client) -> None:
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


def test_no_page_of_another_site_may_read_an_answer(client: httpx2.Client) -> None:
    answer = client.get("/v1/models", headers={"Origin": "https://evil.example"})

    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_large_body_is_refused_whether_it_says_so_or_not(client: httpx2.Client) -> None:
    said = client.post("/v1/completions", content=b"x" * 10_001)
    unsaid = client.post("/v1/completions", content=(b"x" * 1000 for _ in range(11)))

    assert (said.status_code, unsaid.status_code) == (413, 413)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 9_000])
def test_a_body_that_is_none_is_refused(body: bytes, client: httpx2.Client) -> None:
    keys = {"X-Client": "a" * 32}
    for path in ("/v1/completions", "/v1/chat/completions"):
        assert client.post(path, content=body).status_code == 400
    put = client.put(f"/v1/requests/{HANDLE}?session=x", content=body, headers=keys)
    assert put.status_code == 400


@pytest.mark.parametrize("client_key", ["", "a", "a" * 31, "A" * 32, "g" * 32])
def test_a_client_key_that_could_be_guessed_is_refused(
    client_key: str, client: httpx2.Client
) -> None:
    answer = client.get(f"/v1/requests/{HANDLE}/events", headers={"X-Client": client_key})

    assert answer.status_code == 400

"""What a server sends is hostile: it is refused in a sentence, and never shown raw."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from logit_amp_chat.core.engine import connection, wire
from logit_amp_chat.core.engine.connection import Connection
from logit_amp_chat.core.engine.remote import RemoteEngine
from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.protocol import Event, Failed, Idle, Lane, Opened, Request
from logit_amp_chat.core.records import Message, Reply
from logit_amp_chat.core.sampling import Sampling
from tests.core.samples import finish, reply, session, step

OPENED = b'{"version":1,"opened":%s}' % wire.to_line(Opened(session=session()))
SAID = (Message(id="m-1", parent=None, role="user", text="Otters?"),)
ASKED = Request(
    messages=SAID,
    lanes=(Lane(reply="r-1", name="amplified", alpha=1.0),),
    sampling=Sampling(),
)
Serve = Callable[..., RemoteEngine]


@pytest.fixture
def hostile() -> Iterator[Serve]:
    """`hostile(events=…, pair=…)`: an engine over a server that sends these bytes."""
    servers: list[ThreadingHTTPServer] = []

    def serve(
        events: bytes = b"", pair: bytes = OPENED, status: int = 200, error: bytes = b""
    ) -> RemoteEngine:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/v1/pair":
                    self._send(200, pair)
                elif self.path == "/v1/ping":
                    self._send(204, b"")
                else:
                    self._send(status, error or events)

            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._send(204, b"")

            def do_DELETE(self) -> None:
                self._send(204, b"")

            def _send(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return RemoteEngine.open(Connection(f"http://127.0.0.1:{server.server_port}", "t" * 20))

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def lines(events: Sequence[Event], first: int = 1) -> bytes:
    numbered = enumerate(events, first)
    return b"".join(b"[%d,%s]\n" % (number, wire.to_line(event)) for number, event in numbered)


BEGUN: list[Event] = [reply(), step(0, " a")]


def test_an_honest_answer_is_taken(hostile: Serve) -> None:
    events = [*BEGUN, finish(), Idle()]

    assert list(hostile(lines(events)).generate(ASKED)) == events


@pytest.mark.parametrize(
    "answer",
    [
        lines([step(0, " a")]),
        lines([reply(), reply()]),
        lines([reply("r-2")]),
        lines([reply(alpha=2)]),
        lines([reply(lane="after")]),
        lines([*BEGUN, step(0, " a")]),
        lines([*BEGUN, step(7, " a")]),
        lines([*BEGUN, finish(), finish()]),
        lines([*BEGUN, finish(), step(1, " a")]),
        lines([Opened(session=session())]),
        lines(BEGUN, first=2),
        lines(BEGUN, first=0),
        lines([reply()]) + lines([reply()]),
        lines([reply()]) + lines([step(0, " a")], 2).replace(b'"entropy":0.', b'"entropy":"NaN",'),
        b"<html>\n",
        b'[1,["Step",{}]]\n',
        b'[1,["__import__",{}]]\n',
        b"[1," + b"[" * 100_000 + b"]\n",
        b"[99999999999999999999,x]\n",
    ],
)
def test_an_answer_that_is_none_ends_the_request(answer: bytes, hostile: Serve) -> None:
    engine = hostile(answer)

    with pytest.raises(EngineError) as refused:
        list(engine.generate(ASKED))
    assert refused.value.message.isprintable()


def test_a_line_without_an_end_is_not_read_to_the_end(
    hostile: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LONGEST_LINE", 100_000)
    engine = hostile(b"x" * 10_000_000)

    with pytest.raises(EngineError, match="too long"):
        list(engine.generate(ASKED))


@pytest.mark.parametrize(
    "pair",
    [
        b"",
        b"{}",
        b"[]",
        b"\x1b]52;c;eA==\x07",
        b'{"version":1,"opened":["Opened",{}]}',
        b'{"version":1,"opened":["Idle",{}]}',
        b'{"version":"\\u001b[2J","opened":["Idle",{}]}',
        b'{"version":1,"opened":' + b"[" * 100_000 + b"}",
    ],
)
def test_what_is_no_server_of_ours_is_one_sentence(pair: bytes, hostile: Serve) -> None:
    with pytest.raises(EngineError) as refused:
        hostile(pair=pair)
    assert str(refused.value).isprintable()


def test_its_errors_are_shown_without_what_a_terminal_would_obey(hostile: Serve) -> None:
    spoken = Failed(message="No\x1b[2J\u202e" + "x" * 10_000, remedy="\x1b]0;a\x07", exit_code=2)
    engine = hostile(lines([spoken, Idle()]))

    with pytest.raises(LogitAmpError) as refused:
        list(engine.generate(ASKED))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 2000


def test_an_error_page_is_one_sentence(hostile: Serve) -> None:
    error = b'{"error":{"message":"\\u001b[2Jgo away"}}'
    with pytest.raises(LogitAmpError, match="go away") as refused:
        list(hostile(status=400, error=error).generate(ASKED))
    assert str(refused.value).isprintable()
    with pytest.raises(EngineError, match="is no logit-amp-chat serve"):
        list(hostile(status=500, error=b"<html>").generate(ASKED))


def test_what_it_redirects_to_is_not_asked(hostile: Serve) -> None:
    with pytest.raises(EngineError, match="is no logit-amp-chat serve"):
        list(hostile(status=302, error=b"-").generate(ASKED))


def test_a_reply_of_the_server_is_the_one_that_was_asked_for(hostile: Serve) -> None:
    (begun,) = (
        event
        for event in hostile(lines([reply(), finish(), Idle()])).generate(ASKED)
        if isinstance(event, Reply)
    )
    assert (begun.id, begun.alpha) == ("r-1", 1.0)

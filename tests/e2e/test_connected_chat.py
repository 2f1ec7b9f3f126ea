"""A chat here and its pair in `serve`: real commands, a real terminal, a server that is killed."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Finish, Step
from tests.e2e.chat import COMMAND, MARK, Chat

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


Serve = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def serve(endless_pair: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server on the port; whatever is left of them at the end of the test is killed."""
    monkeypatch.setenv("LOGIT_AMP_TOKEN", TOKEN)
    running: list[subprocess.Popen[bytes]] = []

    def started() -> subprocess.Popen[bytes]:
        command = [COMMAND, "serve", "--profile", str(endless_pair), "--port", str(port)]
        server = subprocess.Popen(command, stderr=subprocess.PIPE)
        running.append(server)
        assert server.stderr is not None
        for line in server.stderr:
            if line.startswith(b"serving"):
                return server
        raise AssertionError(f"the server ended with {server.wait()}")

    yield started
    for server in running:
        server.kill()
        server.communicate()


def test_a_chat_survives_the_server_that_it_is_connected_to(
    serve: Serve, start: Callable[..., Chat], port: int
) -> None:
    server = serve()
    chat = start("--max-new-tokens", "10000", connect=f"http://127.0.0.1:{port}")
    chat.until_ready()
    chat.terminal.see("ms away")
    takes_a_new_alpha_in_mid_reply(chat)
    loses_nothing_when_the_server_is_killed(chat, server)
    goes_on_with_another_server(chat, serve)
    chat.terminal.press("ctrl+q")
    assert chat.terminal.exit_code() == 0


def takes_a_new_alpha_in_mid_reply(chat: Chat) -> None:
    chat.say_and_stream("otters")
    chat.terminal.press("F3")
    chat.terminal.until(lambda: MARK.findall(chat.terminal.text) == ["‹α +1.1›"])


def loses_nothing_when_the_server_is_killed(chat: Chat, server: subprocess.Popen[bytes]) -> None:
    server.kill()
    chat.terminal.see("RECONNECTING")
    shown = chat.reply_on_screen
    assert shown
    said = "".join(step.text for step in steps(chat))
    assert "".join(said.split()).endswith(shown[-20:])


def goes_on_with_another_server(chat: Chat, serve: Serve) -> None:
    before = steps(chat)
    serve()
    chat.terminal.see("Broken off")
    (finish,) = (record for record in chat.records if isinstance(record, Finish))
    assert finish.error
    assert finish.error.endswith("no longer has this answer: it was started anew.")
    assert steps(chat) == before
    chat.terminal.see("not loaded")
    chat.terminal.press("ctrl+l")
    chat.terminal.until(lambda: "not loaded" not in chat.terminal.text)
    chat.until_ready()
    chat.terminal.press("tab")
    chat.terminal.press("u")
    chat.terminal.until(lambda: len(steps(chat)) > len(before) + 20)
    chat.terminal.press("esc")


def steps(chat: Chat) -> list[Step]:
    return [record for record in chat.records if isinstance(record, Step)]

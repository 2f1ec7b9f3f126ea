"""`serve` refuses what would be open to others, and `--connect` what it cannot do."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from logit_amp_chat.tui.commands import engine
from logit_amp_chat.tui.commands.main import run


@pytest.fixture(autouse=True)
def _nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a pair was loaded")

    monkeypatch.setattr(engine, "open_engine", refuse)
    monkeypatch.setenv("LOGIT_AMP_TOKEN", "0123456789abcdef")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "nothing would be encrypted"),
        (["--host", "::"], "nothing would be encrypted"),
        (["--tls-cert", "cert.pem"], "belong together"),
        (["--tls-cert", "none.pem", "--tls-key", "none.pem"], "TLS cannot use none.pem"),
        (["--host", "no.such.host.invalid", "--insecure"], "Cannot listen on"),
        (["--port", "0"], "--port"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_a_pair_is_loaded(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_second_server_on_the_port_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = str(first.getsockname()[1])
        assert run(["serve", "--port", port]) == 2
    error = capsys.readouterr().err
    assert f"Cannot listen on 127.0.0.1:{port}" in error
    assert "choose another --port" in error


def test_a_token_that_others_can_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    file.chmod(0o644)

    for command in (["serve"], ["--connect", "http://127.0.0.1:9"]):
        assert run([*command, "--token-file", str(file)]) == 2
        assert "chmod 600" in capsys.readouterr().err


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    assert run(["serve"]) == 2
    assert "pip install 'logit-amp-chat[server]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--connect", "http://127.0.0.1:9", "-p", "demo"], 2, "the server has loaded its pair"),
        (["--connect", "http://127.0.0.1:9", "--device", "cpu"], 2, "has loaded its pair"),
        (["--connect", "127.0.0.1:9"], 2, "no address of a server"),
        (["--connect", "http://example.com"], 2, "not encrypted"),
        (["--connect", "http://127.0.0.1:9"], 7, "cannot be reached"),
        (["--insecure"], 2, "is for --connect"),
    ],
)
def test_what_cannot_be_connected_to_is_one_sentence(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    assert said in capsys.readouterr().err


def test_without_a_token_it_is_said_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LOGIT_AMP_TOKEN")

    assert run(["--connect", "http://127.0.0.1:9"]) == 2
    error = capsys.readouterr().err
    assert "LOGIT_AMP_TOKEN" in error
    assert "--token-file" in error

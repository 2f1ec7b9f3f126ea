"""What the command ends with: the codes that the README lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.protocol import Event, Opened, Request
from logit_amp_chat.tui.commands import main as cli
from tests.core import samples

Capture = pytest.CaptureFixture[str]


class Dying:
    """An engine whose process is gone."""

    def __init__(self, error: Exception) -> None:
        self.opened = Opened(session=samples.session())
        self.error = error

    def generate(self, request: Request) -> list[Event]:
        raise self.error

    def apply(self, command: object) -> None:
        """Nothing is left to change."""

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["--version"]),
        (2, ["reply"]),
        (2, ["reply", "--prompt", "x", "--temperature", "-1"]),
        (2, ["reply", "--prompt", "x", "--temperature", "nan"]),
        (2, ["reply", "--prompt", "x", "--top-p", "inf"]),
        (2, ["export", "x.jsonl", "--to", "pdf"]),
        (2, ["loss"]),
        (2, ["loss", "none.txt"]),
        (2, ["search", "none.txt"]),
        (3, ["reply", "--prompt", "x", "--profile", "no-such-profile"]),
        (3, ["verify", "x.jsonl", "--profile", "no-such-profile"]),
        (3, ["loss", "--text", "x", "--profile", "no-such-profile"]),
        (3, ["search", "x.txt", "--profile", "no-such-profile"]),
        (6, ["export", "none.jsonl", "--to", "md"]),
        (6, ["verify", "none.jsonl"]),
        (6, ["--resume", "none.jsonl"]),
    ],
)
def test_exit_codes(code: int, arguments: list[str], capsys: Capture) -> None:
    assert cli.run(arguments) == code
    assert code == 0 or capsys.readouterr().err.count("\n") <= 2


def test_exit_code_4_for_a_pair_that_cannot_be_loaded(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "config.json").write_text("{}")
    both = ["--before", str(tmp_path), "--after", str(tmp_path)]
    assert cli.run(["reply", "--prompt", "x", *both]) == 4
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LogitAmpError("no"), 1),
        (RuntimeError("no"), 1),
        (EngineError("gone"), 7),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes_of_what_fails_later(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: Dying(error))
    assert cli.run(["reply", "--prompt", "x"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "logit_amp_chat.tui.commands.engine.open_engine", lambda *_: Dying(RuntimeError("no"))
    )
    with pytest.raises(RuntimeError, match="no"):
        cli.run(["reply", "--prompt", "x", "--debug"])


def test_every_documented_code_is_tested() -> None:
    """8 stands in the tests of replay, 5 in those of bad input."""
    documented = set(map(int, re.findall(r"(\d+) [a-z]", cli.EXIT_CODES)))
    assert documented == {0, 1, 2, 3, 4, 5, 6, 7, 8, 130}

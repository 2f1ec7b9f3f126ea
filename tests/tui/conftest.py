"""What the tests of the command, and those of a chat without a screen, share."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.chat.session import ChatSession
from tests.tui.chat_driver import Engines, make_session
from tests.tui.scripted_engine import ScriptedEngine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    fake = ScriptedEngine()
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", fake.open)
    return fake


@pytest.fixture
def pair(tmp_path: Path) -> str:
    path = tmp_path / "pair.yaml"
    path.write_text("before: {model: org/base}\nafter: {model: org/chat}\nalpha: 2\n")
    return str(path)


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture
def session(tmp_path: Path, engines: Engines) -> ChatSession:
    """A chat whose models are loaded."""
    session = make_session(tmp_path, engines)
    session.live.load()
    engines.last.load()
    session.drain()
    return session

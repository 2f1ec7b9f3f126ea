"""A chat that another process writes, or that may not be changed, is shown and not touched."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.records import Note
from logit_amp_chat.tui.app import ChatApp
from tests.tui.chat_driver import Chat, Engines, make_session, open_chat, text_of


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ChatSession]:
    """Another app in the middle of a chat."""
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.live.load()
    engines.last.load()
    session.drain()
    session.submit("elsewhere")
    engines.last.step(4)
    session.drain()
    yield session
    session.close()


def file_of(session: ChatSession) -> Path:
    assert session.saved.recorder.path is not None
    return session.saved.recorder.path


async def look(chat: Chat, path: Path) -> None:
    """Choose a saved chat from the list."""
    await chat.press("f9")
    await chat.until(lambda: len(chat.app.screen_stack) == 2)
    chat.app.screen.dismiss(path)
    await chat.until(lambda: "elsewhere" in chat.log)


async def test_a_chat_that_has_a_writer_is_shown_as_read_only(
    tmp_path: Path, other: ChatSession
) -> None:
    path = file_of(other)
    held = path.read_bytes()
    async with open_chat(tmp_path) as chat:
        await look(chat, path)
        assert "READ ONLY" in text_of(chat.screen.view.status)
        assert "being written by another logit-amp-chat" in chat.notice
        assert "read only" in str(chat.screen.view.composer.border_title)
        assert "reload" in chat.footer
        assert "Otters" in chat.log
        await chat.press("escape")

        sent = len(chat.engine.commands)
        await chat.say("may I?")
        assert "may I?" not in chat.log
        assert chat.screen.view.composer.text == "may I?", "what was typed stays"
        assert "ctrl+n" in chat.notice
        for keys in (["escape"], ["escape"], ["r"], ["e"], ["c"], ["tab"], ["k"], ["c"]):
            await chat.press(*keys)
        chat.session.saved.record(Note(about="m-1", text="not mine to write"))
        await chat.frame()
        assert len(chat.engine.commands) == sent
    assert path.read_bytes() == held


async def test_it_can_be_inspected_and_exported(tmp_path: Path, other: ChatSession) -> None:
    async with open_chat(tmp_path, size=(120, 40)) as chat:
        await look(chat, file_of(other))
        await chat.press("escape", "escape", "home", "i")
        assert "Otters" in text_of(chat.screen.view.inspector)
        target = tmp_path / "copy.md"
        chat.screen.dialogs.export_to(file_of(other), target, "md")
        assert "elsewhere" in target.read_text()


async def test_it_is_taken_over_once_the_other_has_gone(tmp_path: Path, other: ChatSession) -> None:
    async with open_chat(tmp_path) as chat:
        await look(chat, file_of(other))
        await chat.press("ctrl+l")
        assert chat.session.saved.read_only, "the other is still there"
        path = file_of(other)
        other.close()
        await chat.press("ctrl+l")
        assert not chat.session.saved.read_only
        assert chat.notice == ""
        assert "READ ONLY" not in text_of(chat.screen.view.status)
        await chat.say("now mine")
        await chat.finish()
        assert chat.session.saved.recorder.path == path
        assert [r.text for r in chat.saved if r.type == "message"] == ["elsewhere", "now mine"]


async def test_looking_loads_no_models_and_a_new_chat_does(
    tmp_path: Path, other: ChatSession
) -> None:
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(file_of(other))
    app = ChatApp(session)
    async with app.run_test(notifications=True) as pilot:
        chat = Chat(app, pilot, engines)
        await chat.until(lambda: "READ ONLY" in text_of(chat.screen.view.status))
        assert engines.made == []
        await chat.press("ctrl+n")
        await chat.until(lambda: engines.made and engines.last.profile is not None)
        chat.engine.load()
        await chat.frame()
        await chat.say("mine")
        await chat.finish()
        assert chat.session.saved.recorder.path != file_of(other)
    session.close()


def test_a_file_that_may_not_be_changed_is_read_too(
    tmp_path: Path, other: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.close()
    (path,) = tmp_path.glob("*.jsonl")

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    session = make_session(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        session.resume(path)
    assert session.saved.read_only
    assert "Read-only file system" in str(session.saved.recorder.read_only)
    assert len(session.conversation.messages) == 1
    session.close()
    assert session.saved.saved_as is None

"""What goes wrong is said where the eye is, with the remedy, until it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.protocol import Noticed
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.writer import default_folder
from tests.tui.chat_driver import open_chat, text_of


async def test_an_engine_that_dies_is_said_and_can_be_loaded_again(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(3)
        chat.engine.fail("The engine process died (SIGKILL).", fatal=True)
        await chat.frame()
        assert "SIGKILL" in text_of(chat.screen.view.notice)
        assert "ctrl+l" in chat.notice
        assert "Broken off after 3 tokens" in chat.log
        assert "reload" in chat.footer
        await chat.press("ctrl+l")
        await chat.until(lambda: len(chat.engines.made) == 2 and chat.engine.profile is not None)
        chat.engine.load()
        await chat.frame()
        assert chat.notice == ""
        await chat.say("go on")
        await chat.finish()
        assert chat.log.count("Otters") == 2


async def test_a_pair_that_cannot_be_loaded_leaves_the_message_in_the_chat(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        await chat.say("Hi")
        chat.engine.fail("There is no model x.", "Check its name.", fatal=True)
        await chat.frame()
        assert "There is no model x. Check its name." in chat.notice
        assert "Hi" in chat.log
        await chat.press("ctrl+l")
        await chat.until(lambda: len(chat.engines.made) == 2 and chat.engine.profile is not None)
        chat.engine.load()
        await chat.frame()
        await chat.finish()
        assert "Otters" in chat.log, "the message that waited is answered"


async def test_a_message_to_an_engine_that_is_gone_waits_for_the_next(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.fail("The engine process died.", fatal=True)
        await chat.frame()
        await chat.say("Hi")
        assert "ctrl+l" in chat.notice
        await chat.press("ctrl+l")
        await chat.until(lambda: len(chat.engines.made) == 2 and chat.engine.profile is not None)
        chat.engine.load()
        await chat.frame()
        await chat.finish()
        assert "Otters" in chat.log


async def test_a_full_context_is_said_plainly(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        chat.engine.fail("The prompt takes 600 of 512 tokens.", "Start a new chat (ctrl+n).")
        await chat.frame()
        assert "600 of 512 tokens" in text_of(chat.screen.view.notice)
        assert "new chat" in chat.notice
        assert chat.session.state == "ready"


async def test_errors_stay_until_they_are_read(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.fail("First thing.")
        chat.engine.fail("Second thing.")
        await chat.frame()
        await chat.say("Hi")
        await chat.finish()
        assert "First thing." in text_of(chat.screen.view.notice)
        assert "next of 2" in text_of(chat.screen.view.notice)
        await chat.press("escape")
        assert "Second thing." in text_of(chat.screen.view.notice)
        await chat.press("escape")
        assert not chat.screen.view.notice.display


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """Where no transcript can be made."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


@pytest.fixture
def nowhere(no_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where none can be made, and nowhere else either."""
    monkeypatch.setenv("XDG_DATA_HOME", str(no_folder))
    monkeypatch.setattr("tempfile.tempdir", str(no_folder))
    return no_folder


async def test_what_one_folder_refuses_is_saved_in_another(no_folder: Path) -> None:
    async with open_chat(no_folder) as chat:
        await chat.say("Hi")
        assert "Cannot save the conversation" in chat.notice
        assert f"It is saved in {default_folder()} instead." in chat.notice
        await chat.finish()
        assert "NOT SAVED" not in text_of(chat.screen.view.status)
        assert [record.type for record in chat.saved][-1] == "finish"


async def test_a_transcript_that_cannot_be_written_is_said_at_once(nowhere: Path) -> None:
    async with open_chat(nowhere) as chat:
        await chat.say("Hi")
        assert "Cannot save the conversation" in chat.notice
        assert "NOT SAVED" in text_of(chat.screen.view.status)
        await chat.finish()
        assert "Otters" in chat.log


async def test_what_is_not_saved_is_not_left_without_a_word(nowhere: Path) -> None:
    async with open_chat(nowhere) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("ctrl+q")
        assert "not saved" in chat.notice
        assert chat.app.is_running
        await chat.press("ctrl+q")
        assert not chat.app.is_running


async def test_quitting_saves_what_can_be_saved_by_then(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with open_chat(nowhere) as chat:
        await chat.say("Hi")
        await chat.finish()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        await chat.press("ctrl+q")
        assert not chat.app.is_running
    (path,) = tmp_path.glob("*.jsonl")
    assert [record.type for record in read_records(path)][-1] == "finish"


async def test_notices_of_a_pair_are_shown(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        chat.engine.load(notices=("The vocabularies differ in 128 rows.",))
        await chat.frame()
        assert "128 rows" in text_of(chat.screen.view.notice)
        await chat.say("Hi")
        assert chat.notice == "", "information goes with the next message"


async def test_what_an_engine_notices_later_is_shown(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        chat.engine.emit([Noticed("Steps run slower now.")])
        await chat.finish()
        assert "Steps run slower now." in text_of(chat.screen.view.notice)


async def test_hostile_errors_are_shown_safely(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.fail("[/b] \x1b[2J", "[bold]\x9b")
        await chat.frame()
        shown = text_of(chat.screen.view.notice)
        assert "[/b] ␛[2J [bold]" in shown
        assert "\x9b" not in shown


@pytest.mark.parametrize("key", ["escape", "f1", "f4", "f5", "f7", "f8", "f9", "ctrl+g", "ctrl+t"])
async def test_no_terminal_is_too_small_to_survive(tmp_path: Path, key: str) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press(key)
        for size in ((4, 10), (1, 1), (2, 5), (80, 24)):
            await chat.pilot.resize_terminal(*size)
            await chat.frame()
        assert chat.app.is_running

"""Writing: many lines, what was sent before, long pastes, and an editor."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from textual import events

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.tui.terminal import external_editor as editor
from tests.tui.chat_driver import Chat, Engines, make_session, open_chat


async def sent(chat: Chat, *texts: str) -> None:
    for text in texts:
        await chat.say(text)
        await chat.finish()


async def test_up_goes_through_what_was_sent_and_past_it_to_the_transcript(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path) as chat:
        await sent(chat, "one", "two")
        await chat.press(*"dra", "up")
        assert chat.screen.view.composer.text == "two"
        await chat.press("up")
        assert chat.screen.view.composer.text == "one"
        await chat.press("down", "down")
        assert chat.screen.view.composer.text == "dra"
        await chat.press("up", "up", "up")
        assert chat.screen.view.place == "transcript"


async def test_a_recalled_message_has_the_cursor_at_its_end(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await sent(chat, "one", "two")
        await chat.press("up", "!")
        assert chat.screen.view.composer.text == "two!"


async def test_up_goes_further_back_also_over_messages_of_many_lines(tmp_path: Path) -> None:
    """Unless the cursor was moved or the text edited: then it moves inside the message."""
    async with open_chat(tmp_path) as chat:
        composer = chat.screen.view.composer
        for text in ("one", "two\nlines", "three\nmore\nlines"):
            composer.put(text)
            await chat.press("enter")
            await chat.finish()
        seen = []
        for key in ("up", "up", "up", "down", "down", "up", "up"):
            await chat.press(key)
            seen.append(composer.text.split()[0])
            assert composer.cursor_location == composer.document.end
        assert seen == ["three", "two", "one", "two", "three", "two", "one"]
        await chat.press("down", "left", "up")
        assert composer.text == "two\nlines"
        assert composer.cursor_location == (0, 3)
        await chat.press("up")
        assert composer.text == "one"
        await chat.press("down", "!", "up")
        assert composer.text == "two\nlines!"


async def test_what_was_done_to_a_message_can_be_undone(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*"ab", "left", "x", "ctrl+underscore")
        assert chat.screen.view.composer.text == "ab"


async def test_up_and_down_move_inside_a_message_first(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await sent(chat, "one")
        await chat.press("a", "ctrl+j", "b", "up")
        assert chat.screen.view.composer.text == "a\nb"
        await chat.press("up")
        assert chat.screen.view.composer.text == "one"
        await chat.press("down")
        assert chat.screen.view.composer.text == "a\nb"


async def test_a_line_that_is_wrapped_is_walked_row_by_row(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await sent(chat, "one")
        long = "word " * 30
        chat.screen.view.composer.put(long)
        await chat.frame()  # it grows, and wraps elsewhere
        await chat.press("up")
        assert chat.screen.view.composer.text == long
        await chat.press("up")
        assert chat.screen.view.composer.text == "one"


async def test_what_was_sent_again_is_there_once(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await sent(chat, "one", "one")
        await chat.press("up", "up")
        assert chat.screen.view.place == "transcript"


async def test_a_resumed_chat_knows_what_was_said_in_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await sent(chat, "one")
        path = chat.session.saved.recorder.path
        assert path is not None
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(path)
    async with open_chat(tmp_path, session=session, engines=engines, loaded=False) as again:
        await again.press("up")
        assert again.screen.view.composer.text == "one"


async def test_a_long_paste_is_taken_whole(tmp_path: Path) -> None:
    text = "word and more words\n" * 5000
    async with open_chat(tmp_path) as chat:
        chat.app.post_message(events.Paste(text))
        await chat.until(lambda: len(chat.screen.view.composer.text) == len(text))
        await chat.press("x")
        assert chat.screen.view.composer.text == text + "x"


# --- the editor -----------------------------------------------------------------


def script(folder: Path, body: str) -> str:
    """An editor that does this with the file in $1."""
    path = folder / "my editor"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"'{path}' --wait"


def test_the_editor_gets_the_text_and_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", script(tmp_path, 'echo "more é" >> "$2"'))
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert editor.edit("one\n") == "one\nmore é"


def test_an_editor_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", script(tmp_path, "exit 3"))
    with pytest.raises(UsageError, match="ended with code 3"):
        editor.edit("one")


@pytest.mark.parametrize(
    ("said", "problem"),
    [("", "No editor is set"), ("vi 'x", "is no command"), ("no-such-editor", "Cannot edit with")],
)
def test_without_an_editor_it_is_said_how_to_set_one(
    said: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", said)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=problem) as caught:
        editor.edit("one")
    assert "export EDITOR" in caught.value.remedy


def test_where_none_is_set_it_is_vi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vi = tmp_path / "vi"
    vi.write_text('#!/bin/sh\nPATH=/usr/bin:/bin\necho "by vi" >> "$1"\n')
    vi.chmod(vi.stat().st_mode | stat.S_IXUSR)
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert editor.edit("one\n") == "one\nby vi"


async def test_a_terminal_that_cannot_be_handed_over_says_so(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*"abc", "ctrl+x")
        assert "cannot be handed" in chat.notice
        assert chat.screen.view.composer.text == "abc"


async def test_tab_goes_to_the_transcript_also_while_a_reply_streams(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("tab")
        assert chat.screen.view.place == "transcript"
        assert chat.session.state == "busy"
        assert "tab" not in chat.screen.view.composer.text

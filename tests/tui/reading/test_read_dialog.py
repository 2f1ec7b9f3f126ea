"""Which text is read: what was typed, a file, one of several texts, a message of the chat."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.reading import Chat as ChatContent
from logit_amp_chat.core.reading import PlainText
from logit_amp_chat.core.records import Message
from logit_amp_chat.tui.dialogs.picker import Entries
from logit_amp_chat.tui.dialogs.read_text import ReadTextScreen, SourcePicker
from logit_amp_chat.tui.reading.screen import ReadingScreen
from tests.tui.chat_driver import Chat, open_chat, text_of
from tests.tui.reading.reader import ask_for, asked, log, screen_of, status


def problem(chat: Chat) -> str:
    return " ".join(text_of(chat.app.screen.query_one("#problem")).split())


async def opens(chat: Chat) -> None:
    await chat.until(lambda: isinstance(chat.app.screen, ReadingScreen))
    await chat.frame()


async def test_a_path_that_exists_is_offered_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "note.md"
    file.write_text("Otters are green.")
    async with open_chat(tmp_path / "chats") as chat:
        await ask_for(chat, str(file))
        assert problem(chat) == "enter reads this file, F2 these words."
        await chat.press("enter")
        await opens(chat)
        assert "note.md" in status(chat)
        (request,) = asked(chat)
        assert request.content == PlainText(text="Otters are green.")
        assert request.source == str(file)


async def test_f2_reads_the_words_of_a_path(tmp_path: Path) -> None:
    file = tmp_path / "note.md"
    file.write_text("Otters are green.")
    async with open_chat(tmp_path / "chats") as chat:
        await ask_for(chat, str(file), "f2")
        await opens(chat)
        assert asked(chat)[0].content == PlainText(text=str(file))


async def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "note.md").write_text("At home.")
    async with open_chat(tmp_path / "chats") as chat:
        await ask_for(chat, "~/note.md", "enter")
        await opens(chat)
        assert asked(chat)[0].content == PlainText(text="At home.")


async def test_a_text_of_several_lines_is_never_a_path(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask_for(chat, f"{tmp_path}\nis a folder", "enter")
        await opens(chat)
        assert asked(chat)[0].content == PlainText(text=f"{tmp_path}\nis a folder")


async def test_nothing_is_refused_and_esc_reads_nothing(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask_for(chat, " \n ", "enter")
        assert "no text yet" in problem(chat)
        await chat.press("escape")
        assert chat.app.screen is chat.screen
        assert asked(chat) == []


async def test_of_several_texts_one_is_chosen(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    chats = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for q, a in (("Who?", "An otter."), ("[bold]Where[/]?", "In a river."))
    ]
    file.write_text("".join(json.dumps(one) + "\n" for one in chats))
    async with open_chat(tmp_path / "chats", size=(100, 30)) as chat:
        await ask_for(chat, str(file), "enter")
        await chat.until(lambda: isinstance(chat.app.screen, SourcePicker))
        entries = chat.app.screen.query_one(Entries)
        await chat.until(lambda: "[bold]Where[/]?" in text_of(entries))
        await chat.press("down", "enter")
        await opens(chat)
        content = asked(chat)[0].content
        assert isinstance(content, ChatContent)
        assert [m.text for m in content.messages] == ["[bold]Where[/]?", "In a river."]
        assert "<user>" in log(chat), "what is not scored is shown too"
        steps = screen_of(chat).reading.log
        assert steps is not None
        assert "".join(step.text for step in steps.steps) == "In a river."


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("x.bin", b"\x00\x01", "no text"),
        ("x.txt", b"", "nothing to read"),
        ("\x1b[31m.txt", b"\xff\xfe\xfd", "no text"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_in_the_dialog(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    async with open_chat(tmp_path / "chats") as chat:
        await ask_for(chat, "x")
        screen = chat.app.screen
        assert isinstance(screen, ReadTextScreen)
        screen._check(file)
        await chat.until(lambda: problem(chat) not in ("", "Checking …"))
        assert why in problem(chat).lower() or "text" in problem(chat)
        assert "\x1b" not in problem(chat)
        assert chat.app.screen is screen


class TestMessages:
    async def test_the_last_message_is_read_in_its_chat(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            for text in ("First question", "Second question"):
                await chat.say(text)
                await chat.finish()
            await chat.read()
            await chat.press("F")
            await opens(chat)
            (request,) = asked(chat)
            content = request.content
            assert isinstance(content, ChatContent)
            assert [m.role for m in content.messages] == ["user", "assistant", "user"]
            assert content.score == "user"
            assert request.time == chat.session.conversation.began
            assert screen_of(chat).view.log_view.step_under_cursor() is not None
            step = screen_of(chat).view.log_view.step_under_cursor()
            assert step is not None
            assert step.text == "Second", "the cursor is in the message that was meant"

    async def test_the_message_of_the_turn_under_the_cursor(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            for text in ("First question", "Second question"):
                await chat.say(text)
                await chat.finish()
            await chat.read()
            await chat.press("home", "F")
            await opens(chat)
            content = asked(chat)[0].content
            assert isinstance(content, ChatContent)
            assert [m.text for m in content.messages] == ["First question"]

    async def test_with_a_system_prompt_one_chooses(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.session.system = "Be brief."
            await chat.say("Hi")
            await chat.finish()
            await chat.read()
            await chat.press("F")
            await chat.until(lambda: isinstance(chat.app.screen, SourcePicker))
            await chat.press("down", "enter")
            await opens(chat)
            content = asked(chat)[0].content
            assert isinstance(content, ChatContent)
            assert content.score == "system"
            assert isinstance(content.messages[0], Message)
            steps = screen_of(chat).reading.log
            assert steps is not None
            assert "".join(step.text for step in steps.steps) == "Be brief."

    async def test_without_a_message_there_is_nothing_to_read(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.read()
            await chat.press("F")
            assert "no message to read" in chat.notice

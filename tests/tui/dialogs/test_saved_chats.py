"""Saved chats are found by date, profile and first message; none is left out."""

from __future__ import annotations

import os
from pathlib import Path

from textual.pilot import Pilot

from logit_amp_chat.core.chat.saved_conversation import SavedConversation
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.dialogs.saved_chats import ChatsScreen
from logit_amp_chat.tui.dialogs.text_prompt import LineScreen
from tests.core.samples import message, reply, session, step
from tests.tui.dialogs.host import UNANSWERED, Host, until
from tests.tui.dialogs.samples import save_chat


def saved(folder: Path) -> None:
    """Three chats, oldest first: torn, old, new."""
    (folder / "torn.jsonl").write_text('{"type":"sess')
    save_chat(folder / "old.jsonl", "Where is Ottawa?", profile="qwen3-0.6b")
    save_chat(folder / "new.jsonl", "Tell me about\notters [/INST]\x1b[31m", "And seals?")
    for age, name in enumerate(("torn", "old", "new")):
        os.utime(folder / f"{name}.jsonl", (age, age))


async def test_the_newest_is_first_with_its_message_profile_and_turns(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "2 turns" in app.text)
        lines = [line for line in app.text.splitlines() if "1970-01-01" in line]
        assert "demo" in lines[0]
        assert "Tell me about otters [/INST]␛[31m" in lines[0]
        assert "Where is Ottawa?" in lines[1]
        assert "cut off" in lines[2]
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == tmp_path / "new.jsonl")


async def test_typing_finds_a_chat_by_its_profile(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press(*"qwen", "enter")
        await until(pilot, lambda: app.answer == tmp_path / "old.jsonl")


def save_reply(path: Path, *tokens: str) -> None:
    """A chat whose reply has these tokens."""
    records: list[Record] = [session(), message(text="Hello"), reply()]
    records += [step(n, text) for n, text in enumerate(tokens)]
    path.write_text("".join(to_line(record) + "\n" for record in records))


async def test_typing_finds_a_chat_by_a_word_of_a_reply_and_shows_where(tmp_path: Path) -> None:
    saved(tmp_path)
    save_reply(tmp_path / "reply.jsonl", "By the way, the light", "House", " sees\x1b everything.")
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await until(pilot, lambda: "4 of 4" in app.text)
        await pilot.press(*"lighthouse")
        await until(pilot, lambda: "1 of 4" in app.text)
        await until(pilot, lambda: "… By the way, the lightHouse sees␛ everything. …" in app.words)
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == tmp_path / "reply.jsonl")


async def test_typing_finds_a_chat_by_a_later_message(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press(*"SEALS")
        await until(pilot, lambda: "1 of 3" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == tmp_path / "new.jsonl")


async def test_a_chat_that_was_copied_is_found_by_its_replies_too(tmp_path: Path) -> None:
    saved(tmp_path)
    save_reply(tmp_path / "reply.jsonl", " lighthouse")
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await listed(pilot, app, 4)
        await pilot.press(*"lighthouse")
        await until(pilot, lambda: "1 of 4" in app.text)
        await pilot.press("f3")
        await until(pilot, lambda: "2 of 5" in app.text)


async def test_a_torn_file_is_listed_and_cannot_be_opened(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: "cannot be opened" in app.text)
        assert app.answer is UNANSWERED


async def test_a_chat_that_never_had_models_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "early.jsonl"
    save_chat(path, "Anyone there?")
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])  # without its session
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "Anyone there?" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == path)


async def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    app = Host(ChatsScreen(tmp_path / "none"))
    async with app.run_test(size=(200, 24)) as pilot:
        await until(pilot, lambda: "No saved chats in" in app.text)


async def listed(pilot: Pilot[None], app: Host, count: int) -> None:
    await until(pilot, lambda: f"{count} of {count}" in app.text and "Reading" not in app.text)


async def test_a_chat_gets_a_title_and_is_found_by_it(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await listed(pilot, app, 3)
        await pilot.press("down", "f2")
        await until(pilot, lambda: isinstance(app.screen, LineScreen))
        await pilot.press(*"Ca[/b]", "enter")
        await until(pilot, lambda: "1970-01-01" in app.text and "Ca[/b]" in app.text)
        await pilot.press(*"ca[", "enter")
        await until(pilot, lambda: app.answer == tmp_path / "old.jsonl")


async def test_the_chat_under_the_cursor_shows_how_it_begins(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await until(pilot, lambda: "2 turns" in app.text)
        assert "you And seals?" in app.text


async def test_versions_of_a_message_are_one_turn(tmp_path: Path) -> None:
    records: list[Record] = [session(), message(), message("m-2", None, "Seals?"), reply()]
    records.append(message("m-3", "r-1", "And crabs?"))
    (tmp_path / "edited.jsonl").write_text("".join(to_line(one) + "\n" for one in records))
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await until(pilot, lambda: "you And crabs?" in app.text)
        assert "2 turns" in app.text


async def test_a_deleted_chat_comes_back(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await listed(pilot, app, 3)
        await pilot.press("f4")
        await listed(pilot, app, 2)
        assert "F5 brings it back" in app.words
        assert not (tmp_path / "new.jsonl").exists()
        await pilot.press("f5")
        await listed(pilot, app, 3)
        assert (tmp_path / "new.jsonl").exists()


async def test_a_copy_is_the_first_of_the_list(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test(size=(80, 30)) as pilot:
        await listed(pilot, app, 3)
        await pilot.press("down", "f3")
        await listed(pilot, app, 4)
        await until(pilot, lambda: "Where is Ottawa? (copy)" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.answer, Path))
        assert app.answer not in {tmp_path / "new.jsonl", tmp_path / "old.jsonl"}


async def test_the_open_chat_is_renamed_by_its_writer_and_not_deleted(tmp_path: Path) -> None:
    saved = SavedConversation(tmp_path, lambda error: None)
    saved.record(session())
    saved.say("Hi", None, "")
    app = Host(ChatsScreen(tmp_path, saved))
    async with app.run_test(size=(80, 30)) as pilot:
        await listed(pilot, app, 1)
        await pilot.press("f4")
        await until(pilot, lambda: "This chat is open" in app.text)
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, LineScreen))
        await pilot.press(*"Greeting", "enter")
        await until(pilot, lambda: "open · Greeting" in app.text)
    assert saved.conversation.title == "Greeting"
    saved.close()

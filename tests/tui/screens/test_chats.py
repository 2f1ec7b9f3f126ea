"""Saved chats are found by date, profile and first message; none is left out."""

from __future__ import annotations

import os
from pathlib import Path

from tests.tui.screens.host import UNANSWERED, Host, until
from tests.tui.screens.samples import save_chat
from tui.screens.chats import ChatsScreen


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


async def test_a_torn_file_is_listed_and_cannot_be_opened(tmp_path: Path) -> None:
    saved(tmp_path)
    app = Host(ChatsScreen(tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: "cannot be opened" in app.text)
        assert app.answer is UNANSWERED


async def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    app = Host(ChatsScreen(tmp_path / "none"))
    async with app.run_test(size=(200, 24)) as pilot:
        await until(pilot, lambda: "No saved chats in" in app.text)

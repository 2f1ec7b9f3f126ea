"""Searching in a chat: while it is typed, from hit to hit, in every lane."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.tui.token_log.widget import TokenLog
from tests.tui.chat_driver import Chat, open_chat
from tests.tui.reader import ask, legend


def found(chat: Chat) -> str:
    """What is said beside the words that are being typed."""
    bar = chat.screen.view.search_bar
    assert bar is not None
    assert bar.display
    return str(bar.count.content)


async def test_it_finds_while_it_is_typed_and_goes_on(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "one", "two")
        await chat.press("slash", *"light")
        assert found(chat) == "2/2"
        await chat.press("down")
        assert found(chat) == "1/2", "round the end"
        await chat.press("up", "enter")
        assert "/light  2/2" in legend(chat)
        step = chat.screen.view.log_view.step_under_cursor()
        assert step is not None
        assert step.text == " lighthouse"
        place = chat.screen.view.log_view.cursor
        await chat.press("N")
        assert "/light  1/2" in legend(chat)
        assert chat.screen.view.log_view.cursor != place
        await chat.press("n")
        assert chat.screen.view.log_view.cursor == place


async def test_it_finds_across_tokens_and_lines(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(40, 24)) as chat:
        await ask(chat, "Hi")
        await chat.press("slash", *"By the way, the lighthouse sees".replace(" ", "_"))
        assert found(chat) == "nothing found"
        assert chat.screen.view.search_bar is not None
        chat.screen.view.search_bar.line.value = "By the way, the lighthouse sees"
        await chat.frame()
        assert found(chat) == "1/1"


async def test_in_a_comparison_it_finds_in_every_lane(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await ask(chat, "Hi")
        await chat.press("slash", *"playful")
        assert chat.screen.view.lanes.selected == "after"
        assert found(chat) == "1/1"
        await chat.press("enter")
        step = chat.screen.view.current_log.step_under_cursor()
        assert step is not None
        assert step.text == " playful"


async def test_what_the_user_said_is_found_too(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.texts["amplified"] = " ".join(f"word{i}" for i in range(400))
        await ask(chat, "Marmots", "more")
        await chat.press("slash", *"marmots", "enter")
        assert "Marmots" in chat.log
        assert chat.screen.view.log_view.cursor is None


async def test_capitals_count_once_there_is_one(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi")
        await chat.press("slash", "O", "T")
        assert found(chat) == "nothing found"
        await chat.press("backspace", "backspace", "o", "t")
        assert found(chat) == "1/1"


async def test_escape_ends_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi")
        await chat.press("slash", "o", "escape")
        assert isinstance(chat.screen.focused, TokenLog)
        assert chat.screen.view.log_view.finder.query == ""
        await chat.press("slash", "o", "enter")
        assert chat.screen.view.legend.display
        await chat.press("escape")
        assert not chat.screen.view.legend.display
        assert isinstance(chat.screen.focused, TokenLog)

"""Keys that come in one bunch, as over a slow line, act in the order in which they were typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from logit_amp_chat.tui.dialogs.alpha import AlphaScreen
from logit_amp_chat.tui.dialogs.picker import Picker
from logit_amp_chat.tui.dialogs.prompt_fields import SystemPrompt
from logit_amp_chat.tui.dialogs.sampling import SamplingScreen
from tests.tui.chat_driver import Chat, open_chat


async def bunch(chat: Chat, *keys: str) -> None:
    """All keys before the app has looked at any of them."""
    for key in keys:
        chat.app.post_message(events.Key(key, key if len(key) == 1 else None))
    await chat.frame()


async def test_in_the_composer(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await bunch(chat, *"helo", "backspace", *"lo", "home", "O", "ctrl+j", "ctrl+e", "!")
        await chat.until(lambda: chat.screen.view.composer.text == "O\nhello!")


async def test_in_the_dialog_for_alpha(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("ctrl+g")
        await chat.until(lambda: isinstance(chat.app.screen, AlphaScreen))
        await bunch(chat, "backspace", *"12", "backspace", ".", "5", "enter")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert chat.session.alpha == pytest.approx(1.5)


async def test_presets_between_letters(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("ctrl+g")
        await chat.until(lambda: isinstance(chat.app.screen, AlphaScreen))
        await bunch(chat, "0", "up", "enter")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert chat.session.alpha == 0.5


async def test_in_the_system_prompt(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f7")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        chat.app.screen.query_one(SystemPrompt).focus()
        await bunch(chat, *"Bee", "backspace", "ctrl+j", *"kind", "enter")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert chat.session.system == "Be\nkind"


async def test_from_field_to_field(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f7")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        number = ("ctrl+u", "ctrl+k")
        await bunch(chat, *number, *"0.9", "tab", "tab", "shift+tab", *number, *"0.5", "enter")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert (chat.session.sampling.temperature, chat.session.sampling.top_p) == (0.9, 0.5)


async def test_searching_through_lanes(tmp_path: Path) -> None:
    """The first letter is in the lane at hand, all of them in another one only."""
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        await chat.press("escape", "home", "slash")
        await bunch(chat, *"yful", "enter")
        await chat.until(lambda: chat.screen.view.place == "transcript")
        assert chat.screen.view.lanes.selected == "after"
        step = chat.screen.view.current_log.step_under_cursor()
        assert step is not None
        assert step.text == " playful"


async def test_filtering_a_list_and_moving_in_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f8")
        await chat.until(lambda: isinstance(chat.app.screen, Picker))
        picker = chat.app.screen
        assert isinstance(picker, Picker)
        await bunch(chat, *"qx", "backspace", *"wen", "down")
        await chat.until(lambda: picker.place == 1)


async def test_from_the_composer_to_the_transcript(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await bunch(chat, *"so", "tab", "1", "right_square_bracket")
        await chat.until(lambda: chat.session.alpha == 2)
        assert chat.screen.view.composer.text == "so"

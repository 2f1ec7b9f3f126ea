"""Keys that come in one bunch, as over a slow line, act in the order in which they were typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from logit_amp_chat.tui.dialogs.alpha import AlphaScreen
from logit_amp_chat.tui.dialogs.picker import Picker
from logit_amp_chat.tui.dialogs.prompt_fields import SystemPrompt
from logit_amp_chat.tui.dialogs.sampling import SamplingScreen
from logit_amp_chat.tui.terminal.key_bunch import Lines
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


async def test_letters_behind_an_answer_are_not_part_of_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        for answer, alpha in (("enter", 1.5), ("escape", 1.5)):
            await chat.press("ctrl+g")
            await chat.until(lambda: isinstance(chat.app.screen, AlphaScreen))
            number = "1.5" if answer == "enter" else "3"
            await bunch(chat, "ctrl+u", "ctrl+k", *number, answer, *"hello")
            await chat.until(lambda: chat.screen.view.composer.text == "hello")
            assert chat.session.alpha == alpha
            chat.screen.view.composer.put("")


@pytest.mark.parametrize(
    "opener", ["ctrl+g", "f1", "f7", "f8", "f9", "ctrl+t", "ctrl+g,tab", "f7,shift+tab"]
)
@pytest.mark.parametrize("closer", ["escape", "enter"])
async def test_whatever_closes_a_dialog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opener: str, closer: str
) -> None:
    """The letters are typed into the chat if it closes, and are lost to it if it asks again."""
    monkeypatch.chdir(tmp_path)  # the export is written there
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("tab")
        await chat.press("tab")
        chat.screen.action_to_composer()
        await bunch(chat, *opener.split(","), closer, *"hello")
        await chat.until(lambda: chat.app.screen is chat.screen or closer == "enter")
        if chat.app.screen is chat.screen:
            await chat.until(lambda: chat.screen.view.composer.text == "hello")


async def test_letters_behind_a_key_that_asks_are_the_answer(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await bunch(chat, *"so", "ctrl+g", "ctrl+u", "ctrl+k", "2", "enter", "!")
        await chat.until(lambda: chat.screen.view.composer.text == "so!")
        assert chat.session.alpha == 2


# --- lines in one bunch ----------------------------------------------------------------


def pressed(text: str) -> list[events.Key]:
    """The keys that a terminal sends for a text."""
    named = {"\r": "enter", "\n": "ctrl+j", "\t": "tab", " ": "space"}
    return [events.Key(named.get(letter, letter), letter) for letter in text]


def sent(chat: Chat) -> list[str]:
    return [m.text for m in chat.session.conversation.messages.values() if m.role == "user"]


async def test_lines_are_one_draft(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await bunch(chat, *"See: ")
        chat.app.post_message(Lines(pressed("one\r\ttwo\r\rthree\r")))
        await chat.until(lambda: "three" in chat.screen.view.composer.text)
        assert chat.screen.view.composer.text == "See: one\n\ttwo\n\nthree\n"
        assert sent(chat) == []


async def test_lines_for_the_transcript_are_a_draft_too(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("tab")
        chat.app.post_message(Lines(pressed("x = 1\rr = 2")))
        await chat.until(lambda: chat.screen.view.composer.text == "x = 1\nr = 2")
        assert sent(chat) == ["Hi"]


async def test_lines_in_a_text_of_a_dialog(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f7")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        field = chat.app.screen.query_one(SystemPrompt)
        field.focus()
        chat.app.post_message(Lines(pressed("Be kind.\rBe brief.")))
        await chat.until(lambda: "brief" in field.text)
        assert field.text == "Be kind.\nBe brief."
        assert isinstance(chat.app.screen, SamplingScreen)


async def test_lines_for_a_dialog_of_one_line_are_keys(tmp_path: Path) -> None:
    """An answer that was typed ahead, and what was to be said then."""
    async with open_chat(tmp_path) as chat:
        await chat.press("ctrl+g")
        await chat.until(lambda: isinstance(chat.app.screen, AlphaScreen))
        chat.app.screen.query_one(Input).value = ""
        chat.app.post_message(Lines(pressed("1.5\rhello")))
        await chat.until(lambda: chat.screen.view.composer.text == "hello")
        assert chat.session.alpha == 1.5


async def test_from_the_composer_to_the_transcript(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await bunch(chat, *"so", "tab", "1", "right_square_bracket")
        await chat.until(lambda: chat.session.alpha == 2)
        assert chat.screen.view.composer.text == "so"

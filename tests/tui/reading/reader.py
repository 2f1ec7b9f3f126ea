"""The screen of a text, driven by keys."""

from __future__ import annotations

from logit_amp_chat.core.reading import ReadRequest
from logit_amp_chat.tui.dialogs.read_text import ReadTextScreen
from logit_amp_chat.tui.reading.screen import ReadingScreen
from logit_amp_chat.tui.widgets.text_field import TextField
from tests.tui.chat_driver import Chat, text_of

TEXT = "Otters eat fish.\nThe lighthouse sees everything, my friend, and more.\nThat is all."
RATIOS = {" lighthouse": 5.0, " friend,": 3.0, " eat": -4.0}


def screen_of(chat: Chat) -> ReadingScreen:
    assert isinstance(chat.app.screen, ReadingScreen)
    return chat.app.screen


def log(chat: Chat) -> str:
    return text_of(screen_of(chat).view.log_view)


def figures(chat: Chat) -> str:
    return text_of(screen_of(chat).view.figures)


def where(chat: Chat) -> str:
    return text_of(screen_of(chat).view.where)


def status(chat: Chat) -> str:
    return text_of(screen_of(chat).view.status)


def word(chat: Chat) -> str:
    """The token under the cursor."""
    step = screen_of(chat).view.log_view.step_under_cursor()
    assert step is not None
    return step.text


def asked(chat: Chat) -> list[ReadRequest]:
    return [command for command in chat.engine.commands if isinstance(command, ReadRequest)]


async def ask_for(chat: Chat, text: str, *keys: str) -> None:
    """Open the dialog, type a text or a path at once, and press keys."""
    if chat.screen.view.place == "composer":
        await chat.press("tab")
    await chat.press("f")
    await chat.until(lambda: isinstance(chat.app.screen, ReadTextScreen))
    chat.app.screen.query_one(TextField).load_text(text)
    await chat.pilot.pause()
    await chat.press(*keys)


async def read(chat: Chat, text: str = TEXT, *keys: str) -> None:
    """Read a text, and press keys on its screen."""
    await ask_for(chat, text, "enter")
    await chat.until(lambda: isinstance(chat.app.screen, ReadingScreen))
    await chat.frame()
    for key in keys:
        await chat.press(key)

"""The prompt of a turn, looked at with keys."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.prompts import PromptRequest
from logit_amp_chat.tui.dialogs.prompt import PromptScreen
from tests.tui.chat_driver import Chat, open_chat, text_of
from tests.tui.reader import ask, last


def dialog(chat: Chat) -> PromptScreen:
    assert isinstance(chat.app.screen, PromptScreen)
    return chat.app.screen


def asked(chat: Chat) -> list[PromptRequest]:
    return [c for c in chat.engine.commands if isinstance(c, PromptRequest)]


def shown(chat: Chat, side: str = "after") -> list[str]:
    return text_of(dialog(chat).logs[side]).splitlines()


async def look(chat: Chat) -> None:
    """Open the prompt, and wait until it is laid out."""
    if chat.screen.view.place == "composer":
        await chat.read()
    await chat.press("P")
    await chat.until(lambda: isinstance(chat.app.screen, PromptScreen))
    await chat.frame()


async def test_of_a_message_that_is_being_written(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*"Hi")
        await look(chat)
        assert [line.strip() for line in shown(chat) if line.strip()] == [
            "<|start|>user⏎",
            "Hi<|end|>⏎",
            "<|start|>assistant⏎",
        ]
        await chat.press("escape")
        assert chat.app.screen is chat.screen
        assert chat.screen.view.composer.text == "Hi"


async def test_of_a_reply_are_its_recorded_ids(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi there")
        await look(chat)
        reply = last(chat).reply
        (request,) = asked(chat)
        assert request.recorded == reply.prompt
        assert [m.text for m in request.messages] == ["Hi there"]
        words = " ".join(shown(chat)).split()
        assert words == [f"w{id}" for id in reply.prompt.after]

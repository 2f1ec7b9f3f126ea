"""Thinking in the chat: folded, unfolded with a key, never hidden from search or cursor."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.records import Message
from logit_amp_chat.core.transcripts.conversation import Conversation
from tests.tui.chat_driver import Chat, open_chat, requests

THOUGHT = "<think>\nThe river is wide.\n</think>\n\n"


async def ask(chat: Chat, text: str = "Hi") -> None:
    """Have a question answered with thinking, and go to the transcript."""
    for lane, said in chat.engine.texts.items():
        chat.engine.texts[lane] = said if said.startswith("<think>") else THOUGHT + said
    await chat.say(text)
    await chat.finish()
    await chat.read()


async def test_thinking_streams_open_and_is_folded_when_it_is_over(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.texts["amplified"] = THOUGHT + "Otters are wonderful!"
        await chat.say("Hi")
        await chat.step(4)
        assert "The river is" in chat.log
        await chat.finish()
        assert "thinking, " in chat.log
        assert "The river" not in chat.log
        assert "Otters are wonderful!" in chat.log


async def test_z_unfolds_it_and_folds_it_again(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("z")
        assert "The river is wide." in chat.log
        assert "</think>" in chat.log
        await chat.press("z")
        assert "The river" not in chat.log


async def test_the_key_that_unfolds_it_is_the_users_own(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text("thinking: D\n")
    async with open_chat(tmp_path, size=(160, 24), keys=keys) as chat:
        await ask(chat)
        assert "tokens · D unfolds" in chat.log
        await chat.press("D")
        assert "The river is wide." in chat.log
    async with open_chat(tmp_path, size=(160, 24), keys=keys) as chat:
        await chat.press("f4")
        await ask(chat)
        assert all("tokens · D unfolds" in chat.lane(n) for n in ("before", "after", "amplified"))


async def test_a_search_finds_what_is_folded(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("slash", *"wide", "enter")
        log = chat.screen.view.log_view
        assert log.finder.count() == (1, 1)
        assert "The river is·wide." in chat.log  # the cursor is on the hit
        block = log.block_of(log.cursor.reply) if log.cursor else None
        assert log.cursor
        assert block
        assert block.log.steps[log.cursor.step].text == " wide"
        await chat.press("escape")
        assert "The river is·wide." in chat.log
        await chat.press("z", "z")
        assert log.cursor is None
        assert "The river" not in chat.log


async def test_the_cursor_unfolds_what_it_enters(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("home")
        cursor = chat.screen.view.log_view.cursor
        assert cursor is not None
        assert cursor.step == 0
        assert "<think>" in chat.log


async def test_it_is_folded_in_every_lane(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 40)) as chat:
        await chat.press("f4")
        await ask(chat)
        assert all("thinking, " in chat.lane(name) for name in ("before", "after", "amplified"))
        await chat.press("z")
        assert all("The river" in chat.lane(name) for name in ("before", "after", "amplified"))


async def test_markdown_says_that_there_was_thinking(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("v")
        assert "thinking, " in chat.log
        assert "Otters are wonderful!" in chat.log
        assert "The river" not in chat.log


async def test_the_history_has_the_ids_that_were_said(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.say("And?")
        said = requests(chat.engine)[-1].messages
        log = next(iter(Conversation(chat.saved).replies.values()))
        assert [m.role for m in said] == ["user", "assistant", "user"]
        assert said[1] == Message(
            id=log.id,
            parent=said[0].id,
            role="assistant",
            text=chat.engine.texts["amplified"].removeprefix(THOUGHT),
            token_ids=tuple(step.token for step in log.steps),
        )

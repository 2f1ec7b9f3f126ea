"""A branch in a comparison: its lanes fill while they decode, its given tokens stand apart."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.tui.token_log.widget import TokenLog
from tests.tui.chat_driver import Chat, open_chat, text_of


async def branched(chat: Chat) -> None:
    """A reply, and a branch from its third token that has ended; nothing is decoded at once."""
    chat.engine.patient = True
    await chat.say("Hi")
    await chat.finish()
    await chat.press("tab", "home", "right", "right", "enter", "down", "down", "enter")
    await chat.finish()


def style_at(log: TokenLog, word: str) -> str:
    """How a word of the first line of text is drawn."""
    segments = [s for y in range(log.size.height) for s in log.render_line(y)]
    return next(str(segment.style) for segment in segments if word in segment.text)


async def test_lanes_are_shown_while_they_decode_and_afterwards(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await branched(chat)
        await chat.press("f4")
        await chat.step(1)
        assert "Otters" in chat.lane("before"), "the first given token"
        assert "1 given" in text_of(chat.screen.view.lanes.lanes["before"].head)
        await chat.step(4)
        assert "3 given  2 tokens" in text_of(chat.screen.view.lanes.lanes["before"].head)
        await chat.finish()
        for name in ("before", "after", "amplified"):
            assert chat.lane(name).strip()


async def test_other_alphas_on_a_branch_are_shown_too(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await branched(chat)
        await chat.choose_alphas("2")
        await chat.step(2)
        assert "Otters" in chat.lane("+2")


async def test_given_tokens_are_grey_in_the_transcript_and_in_lanes(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await branched(chat)
        log = chat.screen.view.log_view
        given = style_at(log, "are")
        assert given != style_at(log, "lighthouse")
        await chat.press("f4")
        await chat.finish()
        for name in ("after", "amplified"):
            lane = chat.screen.view.lanes.lanes[name].log_view
            assert style_at(lane, "Otters") == given


async def test_given_tokens_are_no_agreement(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await branched(chat)
        await chat.press("f4")
        await chat.step(3)
        head = text_of(chat.screen.view.lanes.lanes["amplified"].head)
        assert "3 given" in head
        assert "after" not in head, "neither as after so far nor the same"

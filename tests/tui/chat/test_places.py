"""The keyboard's two places: what leads from one to the other, and what esc does in each."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.records import Finish
from tests.tui.chat_driver import Chat, open_chat, text_of


async def ask(chat: Chat) -> None:
    await chat.say("Hi")
    await chat.finish()


def place(chat: Chat) -> str:
    return chat.screen.view.place


@pytest.mark.parametrize("streaming", [False, True])
async def test_tab_goes_to_the_transcript_and_the_footer_says_so(
    tmp_path: Path, streaming: bool
) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        if not streaming:
            await chat.finish()
        assert " tab transcript " in text_of(chat.screen.view.keys)
        await chat.press("tab")
        assert place(chat) == "transcript"
        assert (chat.session.state == "busy") == streaming


async def test_esc_never_leaves_the_transcript(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("tab", "left", "i")
        view = chat.screen.view
        seen = []
        for _ in range(4):
            await chat.press("escape")
            seen.append((view.log_view.cursor is None, view.inspector.display, place(chat)))
        here = "transcript"
        assert seen == [
            (True, True, here),
            (True, False, here),
            (True, False, here),
            (True, False, here),
        ]


async def test_esc_takes_the_cursor_away_before_it_stops_a_reply(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(4)
        await chat.press("tab", "left")
        assert "no token" in chat.footer
        assert "stop" not in chat.footer
        await chat.press("escape")
        assert chat.session.state == "busy"
        assert "stop" in chat.footer
        await chat.press("escape")
        assert any(isinstance(record, Finish) for record in chat.saved)
        assert place(chat) == "transcript"


async def test_ctrl_c_stops_a_reply_whatever_the_cursor_is_on(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(4)
        await chat.press("tab", "left", "ctrl+c")
        assert chat.session.state == "ready"
        assert chat.screen.view.log_view.cursor is not None


async def test_an_escape_that_came_too_late_leaves_the_inspector_open(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f5")
        await ask(chat)
        await chat.press("tab")
        shown = []
        for chat.screen.late_seconds in (60.0, 0.0):
            await chat.pilot.press("escape")
            shown.append(chat.screen.view.inspector.display)
        assert shown == [True, False]


@pytest.mark.parametrize("keys", [["enter"], ["tab"], ["down"], ["left", "down"], ["Q"]])
async def test_ways_to_the_composer(tmp_path: Path, keys: list[str]) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("tab", *keys)
        if keys == ["left", "down"]:  # past the last line there is no token, then no transcript
            assert place(chat) == "transcript"
            await chat.press("down")
        assert place(chat) == "composer"


async def test_the_footer_says_how_to_write_and_how_to_branch(tmp_path: Path) -> None:
    """Branching needs a token; without one the same key writes."""
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("tab")
        assert "write" in chat.footer
        assert "branch …" not in chat.footer
        await chat.press("left")
        assert "write" not in chat.footer
        assert "branch …" in chat.footer
        await chat.press("escape")
        assert "branch …" not in chat.footer


async def test_in_a_comparison_the_footer_goes_by_the_lane(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40)) as chat:
        await chat.press("f4")
        await ask(chat)
        await chat.press("tab")
        assert ("branch …" in chat.footer, "write" in chat.footer) == (False, True)
        await chat.press("left")
        assert ("branch …" in chat.footer, "write" in chat.footer) == (True, False)
        await chat.press("escape", "enter")
        assert place(chat) == "composer"


async def test_a_new_chat_has_no_figures_of_the_old_one(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("f6", "tab", "left")
        legend = chat.screen.view.legend
        assert legend.step is not None
        legend.said = "nothing more stands out"
        await chat.press("ctrl+n")
        assert legend.display
        assert legend.said == ""
        assert not legend.step


async def test_what_was_said_of_a_jump_goes_with_the_cursor(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat)
        await chat.press("f6", "tab", "n", "N", "N")
        legend = chat.screen.view.legend
        assert legend.said == "nothing more stands out"
        await chat.press("right")
        assert legend.said == ""

"""Words on the screen: one name for one thing, and sentences that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.chat_driver import Chat, open_chat, text_of


async def answered(chat: Chat) -> None:
    """A question with its answer, and the keyboard in the transcript."""
    await chat.say("Hi")
    await chat.finish()
    await chat.read()


@pytest.mark.parametrize(
    ("size", "head"),
    [((80, 24), " overtakes"), ((120, 40), " overtakes"), ((200, 60), " overtakes ▸ at α")],
)
async def test_candidates_overtake_the_chosen_token(
    tmp_path: Path, size: tuple[int, int], head: str
) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        await answered(chat)
        await chat.press("f5", "home", "s", "s")
        (line,) = (
            line for line in text_of(chat.screen.view.inspector).splitlines() if "rival ↓" in line
        )
        assert line.endswith(head)


@pytest.mark.parametrize(
    ("presses", "said"),
    [
        (1, "nats  ≥ 1 nat underlined · n/N jump"),
        (2, "nats  ≥ +1 nat bold, ≤ −1 nat underlined · n/N jump"),
        (3, "ranks  ≥ +1 rank bold, ≤ −1 rank underlined · n/N jump"),
        (4, "nats  ≥ 2 nats underlined · n/N jump"),
    ],
)
async def test_the_legend_says_what_stands_out(tmp_path: Path, presses: int, said: str) -> None:
    async with open_chat(tmp_path, size=(120, 40)) as chat:
        await answered(chat)
        await chat.press(*["f6"] * presses)
        assert said in text_of(chat.screen.view.legend)


async def test_the_legend_of_a_search_says_how_to_jump(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        await chat.press("slash", *"ot", "enter")
        assert "/ot  " in text_of(chat.screen.view.legend)
        assert " · n/N jump" in text_of(chat.screen.view.legend)


async def test_it_is_the_chat_that_is_saved(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        assert text_of(chat.screen.view.status).endswith("chat saved")

"""What training raised most in a chat: a list, and a jump to the place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Step
from logit_amp_chat.tui.dialogs.raised_tokens import RaisedTokensScreen
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.widget import TokenLog
from tests.tui.chat_driver import Chat, open_chat
from tests.tui.reader import ask, last


def sums(steps: Iterable[Step]) -> dict[str, float]:
    """ΣΔ by token."""
    found: defaultdict[str, float] = defaultdict(float)
    for step in steps:
        found[step.text] += step.logp.after - step.logp.before
    return found


def largest(steps: list[Step], text: str) -> int:
    """Where a token's Δ is largest."""
    places = [place for place, step in enumerate(steps) if step.text == text]
    return max(places, key=lambda n: steps[n].logp.after - steps[n].logp.before)


async def listed(chat: Chat) -> RaisedTokensScreen:
    await chat.press("d")
    await chat.until(lambda: isinstance(chat.app.screen, RaisedTokensScreen))
    assert isinstance(chat.app.screen, RaisedTokensScreen)
    return chat.app.screen


def tokens(screen: RaisedTokensScreen) -> list[str]:
    """The tokens of the list, in its order."""
    return [row.words.removesuffix(" special").strip("“”") for row in screen._shown]


@pytest.mark.parametrize("size", [(80, 24), (40, 15), (160, 50)])
async def test_enter_goes_to_the_largest_delta_of_the_token(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        await ask(chat, "Hi")
        steps = last(chat).steps
        expected = {text: total for text, total in sums(steps).items() if total > 0}
        screen = await listed(chat)
        assert tokens(screen) == sorted(expected, key=lambda text: -expected[text])
        await chat.press("down", "enter")
        assert chat.app.screen is chat.screen
        token = sorted(expected, key=lambda text: -expected[text])[1]
        assert isinstance(chat.screen.focused, TokenLog)
        assert chat.screen.view.current_log.cursor == Cursor(last(chat).id, largest(steps, token))


async def test_s_lists_what_was_lowered(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi")
        expected = {text: total for text, total in sums(last(chat).steps).items() if total < 0}
        screen = await listed(chat)
        await chat.press("s")
        assert tokens(screen) == sorted(expected, key=lambda text: expected[text])
        assert screen.query_one("#frame").border_title == "Lowered most · this thread"


async def test_a_takes_in_the_replies_beside_the_thread(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi")
        first = last(chat)
        chat.engine.texts["amplified"] = "Squids!"
        await chat.press("r")
        await chat.finish()
        assert last(chat) is not first
        screen = await listed(chat)
        assert " lighthouse" not in tokens(screen)
        await chat.press("a")
        found = sums([*first.steps, *last(chat).steps])
        assert set(tokens(screen)) == {text for text, total in found.items() if total > 0}
        at = next(n for n, text in enumerate(tokens(screen)) if text not in sums(last(chat).steps))
        token = tokens(screen)[at]
        await chat.press(*["down"] * at, "enter")
        assert last(chat) is first, "the chat goes on from the reply that is shown"
        assert chat.screen.view.current_log.cursor == Cursor(first.id, largest(first.steps, token))


async def test_forced_tokens_of_a_branch_are_not_in_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi")
        await chat.press("right", "right", "right", "enter", "down", "enter")
        await chat.finish()
        branch = last(chat)
        assert branch.reply.forced == 4
        found = sums(branch.steps[4:])
        screen = await listed(chat)
        assert tokens(screen) == sorted(
            (text for text, total in found.items() if total > 0), key=lambda text: -found[text]
        )


async def test_in_a_comparison_it_goes_to_the_lane(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 40)) as chat:
        await chat.press("f4")
        await ask(chat, "Hi")
        await listed(chat)
        await chat.press("a")
        lanes = chat.session.lanes_of(last(chat))
        screen = chat.app.screen
        assert isinstance(screen, RaisedTokensScreen)
        others = sums(step for name in ("after", "amplified") for step in lanes[name].steps)
        token = next(text for text in tokens(screen) if text not in others)
        at = tokens(screen).index(token)
        await chat.press(*["down"] * at, "enter")
        assert chat.screen.view.lanes.selected == "before"
        cursor = chat.screen.view.current_log.cursor
        assert cursor == Cursor(lanes["before"].id, largest(lanes["before"].steps, token))


async def test_without_a_reply_it_says_so(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.read()
        await chat.press("d")
        assert "There is no token yet." in chat.notice


async def test_esc_changes_nothing(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi")
        cursor = chat.screen.view.current_log.cursor
        await listed(chat)
        await chat.press("escape")
        assert chat.app.screen is chat.screen
        assert chat.screen.view.current_log.cursor == cursor

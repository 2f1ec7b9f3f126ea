"""The help says every key once in its place, and what α is."""

from __future__ import annotations

from logit_amp_chat.tui.dialogs.help import ALPHA, FIGURES, HelpScreen
from logit_amp_chat.tui.keys.actions import ACTIONS
from tests.tui.dialogs.host import Host, until


async def test_every_action_and_the_meaning_of_alpha_are_in_it() -> None:
    app = Host(HelpScreen())
    async with app.run_test(size=(160, 400)) as pilot:
        app.screen.query_one("#frame").styles.max_height = "100%"
        wanted = [*ALPHA, *(action.help for action in ACTIONS)]
        await until(pilot, lambda: all(sentence in app.words for sentence in wanted))


async def test_what_the_figures_are_is_in_it() -> None:
    app = Host(HelpScreen())
    async with app.run_test(size=(160, 400)) as pilot:
        app.screen.query_one("#frame").styles.max_height = "100%"
        await until(pilot, lambda: all(sentence in app.words for sentence in FIGURES))


async def test_it_scrolls_by_keyboard_at_the_smallest_size() -> None:
    app = Host(HelpScreen())
    async with app.run_test(size=(40, 15)) as pilot:
        await until(pilot, lambda: "What α is" in app.text)
        await pilot.press("end")
        await until(pilot, lambda: "What α is" not in app.text)

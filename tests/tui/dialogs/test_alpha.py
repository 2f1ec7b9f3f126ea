"""α can be any finite number, however it is typed."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from logit_amp_chat.tui.dialogs.alpha import AlphaScreen
from tests.tui.dialogs.host import UNANSWERED, Host, until


async def test_what_is_typed_replaces_the_old_value() -> None:
    app = Host(AlphaScreen(1.5))
    async with app.run_test() as pilot:
        await pilot.press(*"-2", "enter")
        await until(pilot, lambda: app.answer == -2)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2.0), ("−0.25", -0.25), ("+64", 64.0), ("1e3", 1000.0), (" .5 ", 0.5)],
)
async def test_any_way_to_write_a_number_will_do(text: str, value: float) -> None:
    app = Host(AlphaScreen(1.5))
    async with app.run_test() as pilot:
        app.screen.query_one(Input).value = text
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == value)


@pytest.mark.parametrize("value", [-0.3, 2.0, 1.00000012, 1e-12])
async def test_enter_alone_keeps_the_value(value: float) -> None:
    app = Host(AlphaScreen(value))
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == value)


@pytest.mark.parametrize("typed", ["abc", "1,5", "inf", "nan", "1e999", " "])
async def test_anything_else_is_refused_in_place(typed: str) -> None:
    app = Host(AlphaScreen(1.5))
    async with app.run_test() as pilot:
        await pilot.press(*typed, "enter")
        await until(pilot, lambda: "α is a number" in app.text)
        assert app.answer is UNANSWERED
        await pilot.press("backspace")
        await until(pilot, lambda: "α is a number" not in app.text)

"""The αs that are compared are those that were typed, to the last digit."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from logit_amp_chat.core.lanes import LaneAt
from logit_amp_chat.tui.dialogs.compare_alphas import CompareAlphasScreen
from tests.tui.dialogs.host import Host, until


@pytest.mark.parametrize(
    ("typed", "alphas"),
    [
        ("2, -1 0;0.5", (-1, 0, 0.5, 2)),
        ("−1, −0", (-1, 0)),
        ("1, 1.0", (1,)),
        ("1.00000012, 1.00000011", (1.00000011, 1.00000012)),
    ],
)
async def test_what_was_typed_is_what_is_compared(typed: str, alphas: tuple[float, ...]) -> None:
    app = Host(CompareAlphasScreen((-1, 0), (1,)))
    async with app.run_test() as pilot:
        app.screen.query_one(Input).value = typed
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == (alphas, ()))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Enter at least one α. αs are numbers with commas between them"),
        (" , ", "Enter at least one α. αs are numbers with commas between them"),
        ("abc", "αs are numbers with commas between them"),
    ],
)
async def test_what_is_no_list_of_alphas_is_refused(typed: str, said: str) -> None:
    app = Host(CompareAlphasScreen((-1, 0), (1,)))
    async with app.run_test() as pilot:
        app.screen.query_one(Input).value = typed
        await pilot.press("enter")
        await until(pilot, lambda: said in app.words)
        assert app.screen is app.dialog


STAGES = ("base", "sft", "dpo-1.0")


@pytest.mark.parametrize(
    "lane",
    [
        LaneAt(-1.0, ("base", "sft")),
        LaneAt(0.0, ("base", "sft")),
        LaneAt(0.0, ("sft", "dpo-1.0")),
        LaneAt(0.0, ("base", "dpo-1.0")),
        LaneAt(-1.0, ("sft", "dpo-1.0")),
        LaneAt(1.5, ("base", "dpo-1.0")),
        LaneAt(-0.5, ("base", "dpo-1.0")),
        LaneAt(1e-05, ("base", "dpo-1.0")),
        LaneAt(2e20, ("base", "dpo-1.0")),
    ],
)
async def test_what_the_dialog_says_itself_is_taken(lane: LaneAt) -> None:
    app = Host(CompareAlphasScreen((-1, 0.5), (1,), (lane,), STAGES))
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == ((-1, 0.5), (lane,)))

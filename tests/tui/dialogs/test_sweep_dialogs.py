"""What a sweep is asked for, at every size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.prompts import new_prompt
from logit_amp_chat.core.experiments.sweep.settings import GRID, SweepSettings, checked
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.dialogs.behaviours import BehavioursScreen
from logit_amp_chat.tui.dialogs.sampling import Field
from logit_amp_chat.tui.dialogs.saved_sweeps import NEW, SavedSweepsScreen
from logit_amp_chat.tui.dialogs.sweep import Asked, MoreScreen, SweepSettingsScreen
from logit_amp_chat.tui.widgets.text_field import TextField
from tests.core import samples
from tests.core.experiments.sweep.chain.toy_chain import toy_chain
from tests.tui.dialogs.host import Host, until

SIZES = [(40, 12), (40, 15), (80, 24), (200, 60)]
SETTINGS = checked(SweepSettings(alphas=(0.0, 1.0), samples=4))


def folder(path: Path) -> SweepFolder:
    prompt = new_prompt((("user", "Owls [/i]?"),))
    SweepFolder.begin(path / "2026-01-02T03-04-05-x", samples.session(), SETTINGS, [prompt]).close()
    return SweepFolder.read(path / "2026-01-02T03-04-05-x")


DIALOGS: dict[str, Callable[[Path], Dialog[Any]]] = {
    "settings": lambda path: SweepSettingsScreen("Owls [/i] \x1b[31m?\n" * 9, Sampling()),
    "more": lambda path: MoreScreen(SETTINGS),
    "behaviours": lambda path: BehavioursScreen([Pattern("habit", "light[house]")]),
    "saved": lambda path: SavedSweepsScreen([folder(path)]),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DIALOGS)
async def test_its_keys_stay_in_view_and_esc_leaves_it(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    app = Host(DIALOGS[name](tmp_path))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.dialog.problem("This is wrong, and that is wrong too; here is what to do. " * 3)
        await pilot.pause()
        assert app.dialog.keys in app.words
        await pilot.press("escape")
        await until(pilot, lambda: app.answer is None)


async def test_the_usual_sweep_has_no_filter_but_plausibility() -> None:
    own = Sampling(temperature=0.5, top_k=5, top_p=0.9, min_p=0.1, plausibility=0.05, seed=7)
    app = Host(SweepSettingsScreen("Owls?", own))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.dialog.query_one(TextField).load_text("habit=lighthouse\n\nowl=(?i)owl")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.answer, Asked))
    asked = app.answer
    assert isinstance(asked, Asked)
    assert asked.settings.alphas == GRID
    assert asked.settings.samples == 40
    assert asked.settings.sampling == Sampling(
        temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, plausibility=0.05, seed=7
    )
    assert [one.name for one in asked.behaviours] == ["habit", "owl"]


async def test_what_was_typed_is_asked_for() -> None:
    app = Host(SweepSettingsScreen("Owls?", Sampling()))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for name, value in (("alphas", "-1:1:0.5, 3"), ("samples", "7"), ("coupled", "Yes")):
            app.dialog.query_one(f"#{name}").query_one(Input).value = value
        for field in app.dialog.query(Field):
            if field.number == "max_new_tokens":
                field.query_one(Input).value = "30"
        await pilot.pause()
        assert "42 replies" in app.words
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.answer, Asked))
    asked = app.answer
    assert isinstance(asked, Asked)
    assert asked.settings.alphas == (-1.0, -0.5, 0.0, 0.5, 1.0, 3.0)
    assert (asked.settings.samples, asked.settings.coupled) == (7, True)
    assert asked.settings.sampling.max_new_tokens == 30


async def test_more_adds_and_takes_nothing_away() -> None:
    app = Host(MoreScreen(SETTINGS))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.dialog.query_one("#alphas").query_one(Input).value = "2"
        app.dialog.query_one("#samples").query_one(Input).value = "1"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.answer, Asked))
    asked = app.answer
    assert isinstance(asked, Asked)
    assert (asked.settings.alphas, asked.settings.samples) == ((0.0, 1.0, 2.0), 4)


@pytest.mark.parametrize(("keys", "is_new"), [(["enter"], False), (["down", "enter"], True)])
async def test_a_saved_sweep_is_chosen_or_a_new_one(
    keys: list[str], is_new: bool, tmp_path: Path
) -> None:
    there = folder(tmp_path)
    app = Host(SavedSweepsScreen([there]))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "2026-01-02 03-04" in app.words
        assert "0 of 8 replies, unfinished" in app.words
        await pilot.press(*keys)
        await until(pilot, lambda: app.answer in (there, NEW))
    assert (app.answer == NEW) == is_new


async def test_the_sweep_of_a_pair_of_a_chain_says_which_stages_it_is_of(tmp_path: Path) -> None:
    chain = toy_chain(tmp_path)
    named = chain.path.rename(tmp_path / "2026-01-02T03-04-05-x")
    app = Host(SavedSweepsScreen([SweepFolder.read(named / "sft-dpo")]))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "2026-01-02 03-04 sft → dpo" in app.words

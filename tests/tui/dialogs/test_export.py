"""A chat is written where it can be, in the format that the ending says."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from logit_amp_chat.tui.dialogs.export import ExportScreen
from tests.tui.dialogs.host import UNANSWERED, Host, until


async def test_enter_takes_the_suggestion(tmp_path: Path) -> None:
    app = Host(ExportScreen(tmp_path / "otters.md"))
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == (tmp_path / "otters.md", "md"))


@pytest.mark.parametrize(
    ("keys", "ending"), [(["down"], "txt"), (["up"], "html"), (["down"] * 4, "md")]
)
async def test_the_arrows_change_format_and_ending(
    tmp_path: Path, keys: list[str], ending: str
) -> None:
    app = Host(ExportScreen(tmp_path / "v1.2 otters.md"))
    async with app.run_test() as pilot:
        await pilot.press(*keys)
        await until(pilot, lambda: f"● .{ending}" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == (tmp_path / f"v1.2 otters.{ending}", ending))


@pytest.mark.parametrize("size", [(40, 12), (60, 15)])
async def test_all_formats_are_there_on_a_small_terminal(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    app = Host(ExportScreen(tmp_path / "otters.md"))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert "○ .html a page ● .md Markdown ○ .txt text ○ .json JSON" in app.words


async def test_a_file_that_exists_is_replaced_only_when_asked_twice(tmp_path: Path) -> None:
    (tmp_path / "otters.md").write_text("old")
    app = Host(ExportScreen(tmp_path / "otters.md"))
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "That file exists" in app.text)
        assert app.answer is UNANSWERED
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == (tmp_path / "otters.md", "md"))


@pytest.mark.parametrize(
    ("name", "problem"),
    [("otters.pdf", "must end in"), ("nowhere/otters.md", "does not exist"), ("", "must end in")],
)
async def test_what_cannot_be_written_is_said(tmp_path: Path, name: str, problem: str) -> None:
    app = Host(ExportScreen(tmp_path / "otters.md"))
    async with app.run_test(size=(200, 24)) as pilot:
        app.screen.query_one(Input).value = str(tmp_path / name) if name else ""
        await pilot.press("enter")
        await until(pilot, lambda: problem in app.words)
        assert app.answer is UNANSWERED

"""Profiles are listed with what they need; the broken ones say why."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.tui.dialogs.profiles import ProfileScreen
from tests.core.system.test_hub_cache import cached
from tests.tui.dialogs.host import UNANSWERED, Host, until
from tests.tui.dialogs.samples import broken_profile, profile

SMALL = profile("small", "Small pair", memory_gb=2.5)
HUGE = profile("huge", "Huge pair", memory_gb=80, gated=True)
MACHINE = Machine(("RTX 4090",), 24 * 10**9, 64 * 10**9)


def listing(current: str = "", cache: Path = Path("no cache")) -> Host:
    return Host(ProfileScreen(current, [SMALL, HUGE, broken_profile("torn")], MACHINE, cache))


async def test_memory_gating_and_fit_are_shown() -> None:
    app = listing()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Huge pair" in app.text)
        small, huge = (line for line in app.text.splitlines() if " pair" in line and "GB" in line)
        assert "2.5 GB ✓" in small
        assert "gated" not in small
        assert "80.0 GB ✗   gated" in huge


async def test_what_was_downloaded_is_shown(tmp_path: Path) -> None:
    for name in ("lab/small", "lab/small-instruct", "lab/huge"):
        cached(tmp_path, name, "model.safetensors")
    app = listing(cache=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "on this machine" in app.text)
        small, huge = (line for line in app.text.splitlines() if " pair" in line and "GB" in line)
        assert "✓ ↓" in small
        assert "✗ ◐" in huge
        await pilot.press("down")
        await until(pilot, lambda: "partly downloaded" in app.text)


async def test_the_cursor_starts_on_the_profile_in_use() -> None:
    app = listing("huge")
    async with app.run_test() as pilot:
        await until(pilot, lambda: "lab/huge → lab/huge-instruct" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: app.answer is HUGE)


async def test_typing_narrows_the_list_by_name_title_or_model() -> None:
    app = listing()
    async with app.run_test() as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press(*"lab huge")
        await until(pilot, lambda: "1 of 3" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: app.answer is HUGE)


async def test_names_come_before_what_only_mentions_them() -> None:
    rows = [profile("aardvark", "Huge ears"), profile("huge-chat", "Talks"), HUGE]
    app = Host(ProfileScreen("", rows, MACHINE, Path("no cache")))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press(*"huge")
        await until(pilot, lambda: app.text.find("Huge ears") > app.text.find("Talks"))
        await pilot.press("enter")
        await until(pilot, lambda: app.answer is HUGE)


async def test_a_filter_that_matches_nothing_says_so() -> None:
    app = listing()
    async with app.run_test() as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press(*"zebra", "enter")
        await until(pilot, lambda: "Nothing matches" in app.text)
        assert app.answer is UNANSWERED


async def test_a_broken_profile_shows_its_error_and_cannot_be_chosen() -> None:
    app = listing()
    async with app.run_test() as pilot:
        await until(pilot, lambda: "torn" in app.text)
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: "cannot be opened" in app.text)
        assert "line 3: aplha [/x] is no key. Did you mean alpha?" in app.text
        assert app.answer is UNANSWERED

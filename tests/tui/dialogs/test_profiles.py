"""Profiles are listed with what they need; the broken ones say why."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from logit_amp_chat.core.config.profile import BrokenProfile, Needs, Profile, Stage
from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.tui.dialogs.profiles import ProfileScreen
from tests.core.system.test_hub_cache import cached
from tests.tui.dialogs.host import UNANSWERED, Host, until
from tests.tui.dialogs.samples import broken_profile, profile

SMALL = profile("small", "Small pair", memory_gb=2.5)
HUGE = profile("huge", "Huge pair", memory_gb=80, gated=True)
MACHINE = Machine(("RTX 4090",), 24 * 10**9, 64 * 10**9)


def listing(
    current: Profile | None = None, cache: Path = Path("no cache"), *, token: bool = True
) -> Host:
    rows: list[Profile | BrokenProfile] = [SMALL, HUGE, broken_profile("torn")]
    return Host(ProfileScreen(current, rows, MACHINE, cache, token))


async def test_memory_gating_and_fit_are_shown() -> None:
    app = listing()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Huge pair" in app.text)
        small, huge = (line for line in app.text.splitlines() if " pair" in line and "GB" in line)
        assert "2.5 GB ✓" in small
        assert "gated" not in small
        assert "80.0 GB ✗   gated" in huge


async def test_the_marks_are_explained_in_one_line() -> None:
    app = listing()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Huge pair" in app.text)
        (line,) = (line for line in app.text.splitlines() if "may not fit" in line)
        for said in ("✓ fits", "✗ too big, or no token", "↓ downloaded", "◐ partly"):
            assert said in line


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
    app = listing(HUGE)
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
    app = Host(ProfileScreen(None, rows, MACHINE, Path("no cache")))
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


async def test_a_gated_profile_that_fits_is_not_ticked_without_a_token(tmp_path: Path) -> None:
    """As in `doctor`: what keeps a profile from being opened is a cross."""
    gated = profile("gated", "Gated pair", memory_gb=2.5, gated=True)
    for token, here, mark in ((False, False, "✗"), (True, False, "✓"), (False, True, "✓")):
        cache = tmp_path / str(here)
        for name in ("lab/gated", "lab/gated-instruct") if here else ():
            cached(cache, name, "model.safetensors")
        app = Host(ProfileScreen(None, [gated], MACHINE, cache, token))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda app=app: "1 of 1" in app.text)  # type: ignore[misc]
            assert f"2.5 GB {mark}" in app.text
            assert ("set HF_TOKEN" in app.words) == (mark == "✗")


async def test_a_pair_in_use_that_is_no_known_profile_is_listed_first() -> None:
    own = profile("/home/me/mine.yaml", "My pair")
    app = listing(own)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "4 of 4" in app.text)
        assert "in use" in app.words
        await pilot.press("enter")
        await until(pilot, lambda: app.answer is own)


async def test_of_two_pairs_with_one_name_the_one_in_use_is_listed_too() -> None:
    other = SMALL.model_copy(update={"after": HUGE.after})
    app = listing(other)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "4 of 4" in app.text)
        await until(pilot, lambda: "lab/small → lab/huge-instruct" in app.words)


async def test_a_known_profile_in_use_is_there_once() -> None:
    app = listing(HUGE)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await until(pilot, lambda: "in use" in app.words)


async def test_two_models_can_be_typed() -> None:
    app = listing()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        await pilot.press(*"org/a org/b")
        await until(pilot, lambda: "open org/a org/b" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.answer, Profile))
        assert isinstance(app.answer, Profile)
        assert (app.answer.before.model, app.answer.after.model) == ("org/a", "org/b")


async def test_a_file_can_be_typed_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("before: {model: org/a}\nafter: {modle: org/b}\n")
    app = listing()
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: "3 of 3" in app.text)
        app.screen.query_one(Input).value = str(path)
        await until(pilot, lambda: "open /" in app.text)
        await pilot.press("enter")
        await until(pilot, lambda: "did you mean model?" in app.words)
        assert app.answer is UNANSWERED
        path.write_text("before: {model: org/a}\nafter: {model: org/b}\n")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.answer, Profile))


@pytest.mark.parametrize(
    ("ram", "said"),
    [
        (64, "bfloat16 · two of 3 stages 14.0 GB: fits · one 7.5 GB · to download"),
        (8, "two of 3 stages 14.0 GB: too big here · one 7.5 GB: enough for diff --blame ·"),
        (4, "two of 3 stages 14.0 GB: too big here · one 7.5 GB · to download"),
    ],
)
async def test_a_chain_names_its_stages_and_what_one_of_them_needs(ram: int, said: str) -> None:
    stages = tuple(Stage(name=name, model=f"lab/{name}") for name in ("base", "sft", "dpo"))
    chain = Profile(
        name="chain",
        title="A chain",
        stages=stages,
        before=stages[0].side,
        after=stages[2].side,
        needs=Needs(memory_gb=14.0, stage_memory_gb=7.5),
    )
    machine = Machine((), None, ram * 10**9)
    app = Host(ProfileScreen(chain, [SMALL, chain], machine, Path("no cache"), token=True))
    async with app.run_test(size=(112, 24)) as pilot:
        await until(pilot, lambda: "A chain: base → sft → dpo" in app.text)
        assert said in app.words
        assert "lab/base → lab/sft → lab/dpo" in app.text

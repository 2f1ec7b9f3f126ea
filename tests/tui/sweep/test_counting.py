"""What is counted in a sweep of the chat: patterns that change, and marks by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.sweep.behaviours import definition_key
from logit_amp_chat.core.experiments.sweep.labels import labels_in
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.tui.dialogs.behaviours import BehavioursScreen
from logit_amp_chat.tui.widgets.text_field import TextField
from tests.tui.chat_driver import Chat, open_chat
from tests.tui.sweep.sweeper import (
    begin,
    estimate,
    picked,
    replies,
    sample,
    sweep_of,
    table,
    texts_at,
)


async def edit_behaviours(chat: Chat, text: str) -> None:
    await chat.press("b")
    await chat.until(lambda: isinstance(chat.app.screen, BehavioursScreen))
    chat.app.screen.query_one(TextField).load_text(text)
    await chat.pilot.pause()
    await chat.press("enter")


async def test_behaviours_are_added_and_removed_while_it_runs(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, behaviours="")
        await sample(chat, 4)
        assert "press b" in estimate(chat)
        assert "hits" not in table(chat)[0]
        await edit_behaviours(chat, "habit=lighthouse\nowl=[Oo]wl")
        assert "habit (1/2) lighthouse ·" in estimate(chat)
        assert table(chat)[1].split()[2] == str(
            sum("lighthouse" in text for text in texts_at(chat, 0.0))
        )
        await chat.press("tab")
        assert "owl (2/2) [Oo]wl ·" in estimate(chat)
        assert table(chat)[1].split()[2] == "2"
        await edit_behaviours(chat, "")
        assert "press b" in estimate(chat)


async def test_what_is_typed_begins_a_line_of_its_own(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await chat.press("b")
        await chat.until(lambda: isinstance(chat.app.screen, BehavioursScreen))
        await chat.press(*"owl", "equals_sign", *"owl", "enter")
        said = [(one.name, one.definition["pattern"]) for one in sweep_of(chat).replies.behaviours]
        assert said == [("habit", "lighthouse"), ("owl", "owl")]


async def test_a_long_pattern_is_cut_to_what_fits(tmp_path: Path) -> None:
    pattern = "lighthouse|" + "|".join(f"word{n}" for n in range(40))
    async with open_chat(tmp_path, size=(110, 30)) as chat:
        await begin(chat, behaviours=f"habit={pattern}")
        (line,) = estimate(chat).splitlines()
        assert line.startswith("habit lighthouse|word0|word1")
        assert "… · provisional" in line


async def test_after_the_first_count_the_list_is_at_its_top(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, behaviours="", samples="20")
        await sample(chat)
        await chat.press(*["down"] * 12)
        assert "A after" not in replies(chat)
        await edit_behaviours(chat, "habit=lighthouse")
        assert replies(chat).startswith(" A after")
        assert "lighthouse" in sweep_of(chat).replies[picked(chat)].reply.text


async def test_a_wrong_pattern_is_refused_in_the_dialog(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await edit_behaviours(chat, "habit=(")
        assert isinstance(chat.app.screen, BehavioursScreen)
        assert "no regular expression" in str(chat.app.screen.query_one("#problem").render())
        await edit_behaviours_in_place(chat, "just words")
        assert "has no name" in str(chat.app.screen.query_one("#problem").render())


async def edit_behaviours_in_place(chat: Chat, text: str) -> None:
    chat.app.screen.query_one(TextField).load_text(text)
    await chat.pilot.pause()
    await chat.press("enter")


async def test_few_marks_take_one_line(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, samples="10")
        await sample(chat)
        lines = estimate(chat).splitlines()
        await chat.press("+")
        assert without(lines, estimate(chat)) == ["marked 1"]
        await chat.press(*["+"] * 8)
        assert without(lines, estimate(chat)) == ["marked 9"]
        await chat.press("+")
        assert "Of 10 replies marked by hand" in estimate(chat)


def without(lines: list[str], text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line not in lines]


async def test_marks_say_how_often_the_counting_errs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logit_amp_chat.tui.sweep.sweep_view.ENOUGH_MARKS", 1)
    async with open_chat(tmp_path, size=(110, 40)) as chat:
        await begin(chat, samples="10")
        await sample(chat)
        hits = sum("lighthouse" in text for text in texts_at(chat, 0.0))
        assert hits > 0
        first = picked(chat)
        await chat.press("-")  # the first hit is none
        assert picked(chat) != first
        assert "✗" in replies(chat)
        assert "1 of 1 hits" in estimate(chat)
        await chat.press("home", "-")  # taken back
        assert "marked by hand" not in estimate(chat)
        await chat.press("home", "+")
        assert "✓" in replies(chat)
        assert "0 of 1 hits" in estimate(chat)
        path = sweep_of(chat).path
    assert labels_in(path)[definition_key(Pattern("habit", "lighthouse").definition)] == {
        first: True
    }

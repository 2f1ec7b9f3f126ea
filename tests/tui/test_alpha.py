"""The α bar: always there, live, and marked in the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.events import SetAlpha
from tests.tui.chat_driver import open_chat, text_of


@pytest.mark.parametrize(
    ("keys", "alpha"),
    [
        (["f3"], 1.1),
        (["f2"], 0.9),
        (["ctrl+up"], 2.0),
        (["ctrl+down"], 0.0),
        (["escape", "equals_sign"], 1.1),
        (["escape", "minus", "minus"], 0.8),
        (["escape", "right_square_bracket"], 2.0),
        (["escape", "left_square_bracket", "left_square_bracket"], -1.0),
        (["escape", "b"], -1.0),
        (["escape", "a"], 0.0),
        (["escape", "b", "1"], 1.0),
    ],
)
async def test_keys_move_alpha(tmp_path: Path, keys: list[str], alpha: float) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*keys)
        assert chat.session.alpha == pytest.approx(alpha)
        assert chat.screen.alpha_bar.alpha == pytest.approx(alpha)


async def test_ten_steps_of_a_tenth_are_exactly_one(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*["f2"] * 10)
        assert chat.session.alpha == 0


async def test_before_after_value_and_filters_are_always_in_view(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        bar = text_of(chat.screen.alpha_bar)
        rail, labels = bar.splitlines()
        assert labels.index("base") - 1 <= rail.index("B") <= labels.index("base") + 4
        assert labels.index("chat") - 1 <= rail.index("A") <= labels.index("chat") + 4
        assert "+1 " in rail
        assert "τ 0.01" in rail
        assert "T 0.7" in rail


@pytest.mark.parametrize("size", [(40, 15), (30, 10)])
async def test_the_bar_is_there_in_a_small_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        bar = text_of(chat.screen.alpha_bar)
        assert "+1" in bar
        assert "●" in bar
        assert chat.screen.composer.region.bottom <= size[1]


@pytest.mark.parametrize(("alpha", "knob"), [(64, "▶"), (-5, "◀"), (4, "●"), (-2, "●")])
async def test_a_value_off_the_scale_is_an_arrow(tmp_path: Path, alpha: float, knob: str) -> None:
    async with open_chat(tmp_path) as chat:
        chat.screen.set_alpha(alpha)
        await chat.frame()
        assert knob in text_of(chat.screen.alpha_bar)


async def test_a_change_is_marked_where_it_took_hold(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("ctrl+up")
        assert isinstance(chat.engine.commands[-1], SetAlpha)
        assert "‹α" not in chat.log
        await chat.step(1)
        assert "Otters are ‹α +2› wonderful" in chat.log


async def test_the_lanes_that_are_before_and_after_stay_where_they_are(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("ctrl+up")
        await chat.step(2)
        assert "‹α" not in chat.lane("before") + chat.lane("after")
        assert "‹α +2›" in chat.lane("amplified")

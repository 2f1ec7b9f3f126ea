"""The panel of what is loaded."""

from __future__ import annotations

from pathlib import Path

from tests.tui.chat_driver import open_chat, text_of


async def test_a_number_without_an_end_has_its_unit_once_it_is_one(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        for done, expected in ((0, "warm-up model"), (12, "12 s model")):
            chat.engine.loading("warm-up", done, None, "s")
            await chat.frame()
            row = text_of(chat.screen.view.loading_panel).splitlines()[1].split()
            assert " ".join(word for word in row if "─" not in word).endswith(expected)

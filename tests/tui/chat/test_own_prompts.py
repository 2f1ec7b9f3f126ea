"""Sides that have system prompts of their own: the screen says so."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Static

from logit_amp_chat.core.config.stages import prompted
from logit_amp_chat.tui.dialogs.sampling import SamplingScreen
from tests.tui.chat_driver import demo_profile, open_chat, text_of

OWN = (
    "efore has no system prompt and after has “You are a pirate.”: the chat's is for neither side."
)


async def test_the_screen_names_the_prompts_and_that_the_chats_is_not_used(tmp_path: Path) -> None:
    one = demo_profile(before={"model": "fake/after"})
    profile = prompted(one, systems=("", "You are a pirate."))
    async with open_chat(tmp_path, profile=profile) as chat:
        await chat.until(
            lambda: (
                "no system prompt → “You are a pirate.”"
                in " ".join(chat.screen.view.status.details)
            )
        )
        log = chat.screen.view.log_view
        assert OWN in " ".join(text_of(log).split())
        await chat.press("f7")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        said = " ".join(" ".join(map(text_of, chat.app.screen.query(Static))).split())
        assert OWN in said

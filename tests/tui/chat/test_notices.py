"""Which notice is shown when there are several, and what regenerating says."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.chat.settings import ChatSettings
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.sampling import Sampling
from tests.tui.chat_driver import Chat, open_chat, text_of

SAME = "At T 0 another seed gives the same text."


def shown(chat: Chat) -> str:
    """The notice on the screen."""
    notice = chat.screen.view.notice
    return text_of(notice) if notice.display else ""


async def test_new_information_is_shown_before_what_was_not_read(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        notice = chat.screen.view.notice
        for sentence in ("One.", "Two.", "One."):
            notice.say(sentence)
            await chat.frame()
            assert sentence in shown(chat)
        await chat.press("escape")
        assert "Two." in shown(chat)
        await chat.press("escape")
        assert not shown(chat)


async def test_errors_stay_in_front_until_they_are_read(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        notice = chat.screen.view.notice
        for sentence in ("One.", "Two!", "Three!", "Four."):
            notice.say(sentence, error=sentence.endswith("!"))
        for sentence in ("Two!", "Three!", "Four.", "One."):
            await chat.frame()
            assert sentence in shown(chat)
            await chat.press("escape")


async def test_the_notices_of_a_pair_come_in_their_order(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        chat.engine.load(notices=("One.", "Two."))
        await chat.frame()
        assert chat.notice.split() == ["One.", "Two."]


async def test_information_of_the_same_kind_is_replaced(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        for name in ("one.html", "two.md"):
            path = chat.session.saved.recorder.path
            assert path is not None
            chat.screen.dialogs.export_to(path, tmp_path / name, name.split(".")[1])
        assert chat.notice.strip() == f"Exported to {tmp_path / 'two.md'}."
        await chat.press("f4")
        await chat.finish()
        await chat.press("tab", "t", "t")
        exported, moved = f"Exported to {tmp_path / 'two.md'}.", "The lanes move together."
        assert [one.sentence for one in chat.screen.view.notice.entries] == [moved, exported]


# --- regenerating ---------------------------------------------------------------


async def use(chat: Chat, sampling: Sampling, system: str | None) -> None:
    """Change the settings in their dialog."""
    from logit_amp_chat.tui.dialogs.sampling import SamplingScreen

    await chat.press("f7")
    await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
    chat.app.screen.dismiss(ChatSettings(sampling, system))
    await chat.until(lambda: chat.app.screen is chat.screen)


async def regenerate(chat: Chat) -> None:
    await chat.press("ctrl+r")
    await chat.finish()


async def test_a_new_system_prompt_makes_another_version_of_the_message(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await use(chat, chat.session.sampling, "Be brief.")
        said = "applies to the next reply: send a message, or press r."
        assert said in " ".join(shown(chat).split())
        await regenerate(chat)
        asked = [one for one in chat.saved if isinstance(one, Message) and one.role == "user"]
        assert [one.text for one in asked] == ["Hi", "Hi"]
        assert chat.notice.startswith(
            "Your message has another version now, under the new system prompt. < goes back."
        )
        assert "Be brief." in chat.log
        await chat.press("escape", "tab", "<")
        assert "Be brief." not in chat.log
        assert "you  ‹ 1/2 ›" in chat.log


@pytest.mark.parametrize("temperature", [0.0, 0.7])
async def test_at_temperature_zero_a_new_seed_changes_nothing(
    tmp_path: Path, temperature: float
) -> None:
    async with open_chat(tmp_path) as chat:
        await use(chat, Sampling(temperature=temperature), None)
        await chat.say("Hi")
        await chat.finish()
        await regenerate(chat)
        assert (SAME in chat.notice) == (temperature == 0)
        await chat.press("f3")
        await regenerate(chat)
        assert SAME not in chat.notice, "at another α it may well change"
        await regenerate(chat)
        assert (SAME in chat.notice) == (temperature == 0)

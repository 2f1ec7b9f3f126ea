"""The chat driven by keys: its dialogs, other chats, other pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.command import CommandList
from textual.widgets import Input

from logit_amp_chat.core.chat.settings import ChatSettings
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.tui.dialogs.alpha import AlphaScreen
from logit_amp_chat.tui.dialogs.help import HelpScreen
from logit_amp_chat.tui.dialogs.prompt_fields import SystemPrompt
from logit_amp_chat.tui.dialogs.sampling import SamplingScreen
from logit_amp_chat.tui.keys.command_palette import Commands
from logit_amp_chat.tui.token_log.cursor import Cursor
from tests.tui.chat_driver import Engines, demo_profile, make_session, open_chat, text_of


async def test_help_is_a_key_away(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f1")
        await chat.until(lambda: isinstance(chat.app.screen, HelpScreen))
        await chat.press("escape")
        assert chat.app.screen is chat.screen


async def test_sampling_and_system_prompt_are_taken_over(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f7")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        assert isinstance(chat.app.screen, SamplingScreen)
        chat.app.screen.dismiss(
            ChatSettings(Sampling(temperature=0.0), "Be brief.", {"thinking": False})
        )
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert "T 0" in text_of(chat.screen.view.alpha_bar)
        await chat.say("Hi")
        assert chat.engine.request is not None
        assert [m.role for m in chat.engine.request.messages] == ["system", "user"]
        assert "Be brief." in chat.log
        assert chat.engine.request.template == {"thinking": False}


async def test_arrows_go_through_the_fields_of_sampling(tmp_path: Path) -> None:
    """And through the lines of the system prompt, which they leave at its first and last."""
    async with open_chat(tmp_path) as chat:
        await chat.press("f7")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        dialog = chat.app.screen

        def focused() -> object:
            return dialog.focused

        system = dialog.query_one(SystemPrompt)
        system.load_text(f"One.\n{'long ' * 40}")
        first, second, third, *_ = inputs = list(dialog.query(Input))
        assert focused() is first
        await chat.press("down", "down")
        assert focused() is third
        await chat.press("up")
        assert focused() is second
        for end, begin, key in ((inputs[-1], inputs[-2], "up"), (inputs[-2], inputs[-1], "down")):
            end.focus()
            await chat.press(key)
            assert focused() is system
            system.move_cursor(system.document.end if key == "up" else (0, 0))
            lines = system.wrapped_document.height
            assert lines > 2
            await chat.press(*[key] * (lines - 1))
            assert focused() is system
            await chat.press(key)
            assert focused() is begin


async def test_any_alpha_can_be_entered(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("ctrl+g")
        await chat.until(lambda: isinstance(chat.app.screen, AlphaScreen))
        await chat.press("6", "4", "enter")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert chat.session.alpha == 64
        assert "▶" in text_of(chat.screen.view.alpha_bar)
        assert "+64" in text_of(chat.screen.view.alpha_bar)


async def test_a_new_chat_is_empty(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.finish()
        await chat.read()
        await chat.press("ctrl+n")
        assert chat.screen.view.place == "composer", "where the first message is written"
        assert "one" not in chat.log.split()
        assert "Chats are saved in" in chat.log


async def test_a_new_chat_stops_the_reply_first(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.step(2)
        path = chat.session.saved.recorder.path
        await chat.press("ctrl+n")
        assert chat.session.saved.recorder.path is None
        assert path is not None
        assert '"cancelled"' in path.read_text()


async def test_a_saved_chat_is_opened_and_gone_on_with(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("first chat")
        await chat.finish()
        first = chat.session.saved.recorder.path
        await chat.press("ctrl+n")
        await chat.press("f9")
        await chat.until(lambda: len(chat.app.screen_stack) == 2)
        chat.app.screen.dismiss(first)
        await chat.until(lambda: "first chat" in chat.log)
        await chat.say("second message")
        await chat.finish()
        texts = [r.text for r in chat.saved if isinstance(r, Message)]
        assert texts == ["first chat", "second message"]
        assert chat.session.saved.recorder.path == first


async def test_a_chat_is_resumed_at_the_start(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("before the break")
        await chat.finish()
        path = chat.session.saved.recorder.path
    assert path is not None
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(path)
    async with open_chat(tmp_path, session=session, engines=engines) as chat:
        assert "before the break" in chat.log
        assert "Otters are wonderful!" in chat.log


async def test_a_reply_whose_end_was_lost_says_so(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(3)
        assert chat.session.saved.recorder.path is not None
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(chat.session.saved.recorder.path.read_bytes())
        assert "Cut off" not in chat.log
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(torn)
    async with open_chat(tmp_path, session=session, engines=engines) as chat:
        assert "Cut off after 3 tokens: no more was saved; u goes on." in chat.log
        await chat.press("f4")
        assert "Cut off after 3 tokens" in chat.lane("amplified")


async def test_another_profile_is_loaded_and_the_conversation_goes_on(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.finish()
        await chat.press("f8")
        await chat.until(lambda: len(chat.app.screen_stack) == 2)
        chat.app.screen.dismiss(demo_profile(name="other", title="Other pair", alpha=0.5))
        await chat.until(lambda: len(chat.engines.made) == 2 and chat.engine.profile is not None)
        assert chat.engines.made[0].closed
        chat.engine.load()
        await chat.frame()
        assert "Other pair" in text_of(chat.screen.view.status)
        assert chat.session.alpha == 0.5
        await chat.say("two")
        assert chat.engine.request is not None
        assert len(chat.engine.request.messages) == 3


async def test_the_chat_is_exported(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.finish()
        chat.screen.view.notice.say("An unread word of an earlier action.")
        await chat.press("ctrl+t")
        await chat.until(lambda: len(chat.app.screen_stack) == 2)
        chat.app.screen.dismiss((tmp_path / "chat.md", "md"))
        await chat.until(lambda: (tmp_path / "chat.md").exists())
        await chat.until(lambda: chat.notice.startswith("Exported"))
        assert "Otters are wonderful!" in (tmp_path / "chat.md").read_text()


async def test_the_palette_runs_actions(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        titles = [c.title for c in chat.app.get_system_commands(chat.screen)]
        assert any("side by side" in title for title in titles)
        command = next(
            c for c in chat.app.get_system_commands(chat.screen) if "side by side" in c.title
        )
        await command.callback()
        assert chat.session.comparing


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("alpha", "α up by 1"),
        ("alpha up", "α up by 0.1"),
        ("α up", "α up by 0.1"),
        ("enter any alpha", "Enter any α, or choose a preset"),
        ("alphas to compare", "Choose the αs to compare with the live one"),
    ],
)
async def test_the_palette_finds_what_is_typed_on_any_keyboard(
    tmp_path: Path, typed: str, found: str
) -> None:
    async with open_chat(tmp_path) as chat:
        hits = [hit async for hit in Commands(chat.screen).search(typed)]
        best = [str(hit.text) for hit in sorted(hits, key=lambda hit: -hit.score)]
        assert found in best
        assert all("α" in hit for hit in best[: best.index(found)])


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("F4", "Before, after and amplified side by side"),
        ("c", "Before, after and amplified side by side"),
        ("ctrl+o", "Open a saved chat and continue it"),
        ("chats", "Open a saved chat and continue it"),
        ("alpha_up", "α up by 0.1"),
        ("alpha …", "Enter any α, or choose a preset"),
        ("label", "Label this reply"),
        ("branch …", "List the candidates at this token, to branch from one"),
        ("compare_al", "Choose the αs to compare with the live one"),
    ],
)
async def test_the_palette_finds_keys_labels_and_ids(
    tmp_path: Path, typed: str, first: str
) -> None:
    async with open_chat(tmp_path) as chat:
        hits = [hit async for hit in Commands(chat.screen).search(typed)]
        assert str(max(hits, key=lambda hit: hit.score).text) == first


OLDER = "The previous sibling: another reply to the message, or its previous version"
NEWER = "The next sibling: another reply to the message, or its next version"
BACK = "The previous hit, or the previous token that stands out"


@pytest.mark.parametrize(
    ("typed", "first"),
    [("sibling", {OLDER, NEWER}), ("previous", {OLDER, BACK}), ("<", {OLDER}), (">", {NEWER})],
)
async def test_the_palette_finds_what_goes_from_one_to_the_next(
    tmp_path: Path, typed: str, first: set[str]
) -> None:
    async with open_chat(tmp_path) as chat:
        hits = [hit async for hit in Commands(chat.screen).search(typed)]
        best = [str(hit.text) for hit in sorted(hits, key=lambda hit: -hit.score)]
        assert set(best[: len(first)]) == first


async def test_a_command_that_was_found_by_its_spelling_runs(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        alpha = chat.session.alpha
        await chat.press("ctrl+p", *"alpha", "space", *"up", "space", *"by", "space", *"0.1")
        found = chat.app.screen.query_one(CommandList)
        await chat.until(lambda: found.highlighted is not None and found.option_count == 1)
        await chat.press("enter")
        await chat.until(lambda: chat.session.alpha == alpha + 0.1)


async def test_the_cursor_survives_a_resize(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("left", "left", "left")
        cursor = chat.screen.view.log_view.cursor
        await chat.pilot.resize_terminal(40, 15)
        await chat.frame()
        assert cursor == chat.screen.view.log_view.cursor
        assert isinstance(cursor, Cursor)


async def test_a_pair_of_another_vocabulary_says_that_a_new_chat_began(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        chat.screen.conversation.load(demo_profile(name="other"))
        await chat.until(lambda: len(chat.engines.made) == 2 and chat.engine.profile)
        chat.engine.vocabulary = "other words"
        chat.engine.load()
        await chat.frame()
        assert "different vocabulary" in chat.notice
        assert "Hi" not in chat.log.split()


async def test_what_is_said_while_a_new_chat_begins_is_said_there(tmp_path: Path) -> None:
    """Faster than the old reply can be stopped; what waited for it goes back to the composer."""
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        await chat.say("and then")
        await chat.press("ctrl+n", "enter", *"quick", "enter")
        await chat.until(lambda: "and then" in chat.log)
        await chat.finish()
        await chat.until(lambda: "quick" in chat.log)
        await chat.finish()
        assert "Hi" not in chat.log
        said = [r.text for r in chat.saved if isinstance(r, Message)]
        assert said == ["and then", "quick"]

"""The chat driven by keys: loading, streaming, stopping, history."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual import events
from textual.strip import Strip

from logit_amp_chat.core.protocol import Prefill
from tests.tui.chat_driver import open_chat, text_of


async def test_loading_is_shown_with_numbers(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        chat.engine.loading("download", 4e8, 1e9, "bytes")
        chat.engine.loading("weights", 29, 290)
        await chat.frame()
        shown = text_of(chat.screen.view.loading_panel)
        assert "40%" in shown
        assert "400.0 MB / 1.00 GB" in shown
        assert "29 / 290 tensors" in shown
        chat.engine.load()
        await chat.frame()
        assert not chat.screen.view.loading_panel.display


async def test_a_small_terminal_shows_the_stage_at_hand(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(40, 15), loaded=False) as chat:
        chat.engine.loading("download", 1e9, 1e9, "bytes")
        chat.engine.loading("weights", 29, 290)
        await chat.frame()
        shown = text_of(chat.screen.view.loading_panel)
        assert "weights" in shown
        assert "download" not in shown


async def test_reading_a_long_prompt_is_shown_with_numbers(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        chat.engine.emit([Prefill(done=512, total=2048)])
        await chat.frame()
        assert "512 / 2,048 tokens" in text_of(chat.screen.view.loading_panel)
        await chat.step()
        assert not chat.screen.view.loading_panel.display


async def test_a_message_can_be_written_while_loading(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        await chat.say("Hi otter")
        assert "Hi otter" in chat.log
        assert chat.engine.request is None
        chat.engine.load()
        await chat.frame()
        await chat.finish()
        assert "Otters are wonderful!" in chat.log


async def test_a_reply_streams(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        assert "Otters are" in chat.log
        assert "wonderful" not in chat.log
        assert "stop" in chat.footer
        await chat.finish()
        assert chat.log.split()[-1] == "friend.<|end|>"
        assert "stop" not in chat.footer


async def test_typing_fast_keeps_letters_and_enter_in_order(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.pilot.press(*"hello", "enter")
        await chat.frame()
        assert "hello" in chat.log
        assert chat.screen.view.composer.text == ""


async def test_ctrl_j_makes_a_line_and_enter_sends(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("a", "ctrl+j", "b")
        assert chat.screen.view.composer.text == "a\nb"
        await chat.press("enter")
        assert [m.text for m in chat.session.conversation.messages.values()] == ["a\nb"]


async def test_a_blank_message_is_not_sent(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("space", "enter")
        assert chat.engine.request is None


async def test_escape_stops_the_reply_and_says_so(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(3)
        await chat.press("escape")
        assert "Stopped by you after 3 tokens; u goes on." in chat.log
        assert chat.session.state == "ready"


async def test_what_waits_comes_back_when_the_reply_is_stopped(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.say("two")
        assert "1 waiting" in str(chat.screen.view.composer.border_title)
        await chat.press("escape")
        assert chat.screen.view.composer.text == "two"
        assert not chat.session.queued


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("length", "Cut at the limit of 2 tokens; u goes on, F7 raises the limit."),
        ("context", "The context is full after 2 tokens"),
        ("error", "Broken off after 2 tokens"),
    ],
)
async def test_why_a_reply_ended(tmp_path: Path, reason: str, sentence: str) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        chat.engine.end(reason)  # type: ignore[arg-type]
        await chat.frame()
        assert sentence in chat.log


async def test_special_tokens_are_shown_and_no_part_of_the_text(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        assert "<|end|>" in chat.log
        log = chat.session.conversation.last_reply()
        assert log is not None
        assert "<|end|>" not in log.text


HOSTILE = "[/INST] [bold]x[/] \x1b[31mred\x1b]52;c;aGk=\x07 \u202eabc \x9b2J"


async def test_what_a_model_says_is_never_markup_and_never_reaches_the_terminal(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.texts["amplified"] = HOSTILE
        await chat.say("Hi")
        await chat.press("f5")
        await chat.finish()
        await chat.press("f4")
        await chat.finish()
        shown = chat.lane("amplified").replace("\n  ", " ")
        assert "[/INST] [bold]x[/]" in shown
        assert "␛[31mred" in shown
        everything = shown + chat.log + text_of(chat.screen.view.inspector)
        assert not any(c < " " and c != "\n" for c in everything)
        assert "\x9b" not in everything
        assert "\u202e" not in everything


async def test_hostile_words_of_the_user_are_shown_safely(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.session.submit(HOSTILE)
        await chat.press("f4")
        assert "[/INST] [bold]x[/]" in str(chat.screen.view.prompt.content)
        assert "\x1b" not in str(chat.screen.view.prompt.content)


async def test_the_view_follows_unless_scrolled_up(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.texts["amplified"] = " ".join(f"word{i}" for i in range(400))
        await chat.say("Hi")
        await chat.step(300)
        assert "word1" not in chat.log.split()
        await chat.press("pageup", "pageup")
        before = chat.screen.view.log_view.scroll_offset.y
        await chat.step(300)
        assert chat.screen.view.log_view.scroll_offset.y == before
        chat.screen.view.log_view.scroll_end(animate=False)
        await chat.finish()
        assert "word399" in chat.log


async def test_the_view_stays_at_the_end_when_the_terminal_shrinks(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(80, 30)) as chat:
        chat.engine.texts["amplified"] = " ".join(f"word{i}" for i in range(150))
        await chat.say("Hi")
        await chat.finish()
        await chat.pilot.resize_terminal(40, 15)
        await chat.until(lambda: "word149" in chat.log)


async def test_the_work_of_a_token_does_not_grow_with_the_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logit_amp_chat.tui.token_log.wrapping import WrappedText

    async with open_chat(tmp_path) as chat:
        chat.engine.texts["amplified"] = " ".join(f"word{i}" for i in range(2000))
        await chat.say("Hi")
        await chat.step(1500)
        added: list[str] = []
        add = WrappedText.add

        def counted(
            self: WrappedText, text: str, kind: str = "text", step: int | None = None
        ) -> None:
            added.append(text)
            add(self, text, kind, step)

        monkeypatch.setattr(WrappedText, "add", counted)
        await chat.step(1)
        assert len(added) == 1


async def test_regenerate_shows_another_reply(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("ctrl+r")
        await chat.finish()
        assert "seed 1" in chat.log
        assert chat.log.count("Hi") == 1


async def test_regenerate_needs_a_message(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("ctrl+r")
        assert "no message to answer" in chat.notice
        await chat.say("Hi")
        await chat.finish()
        await chat.press("ctrl+r")
        assert chat.notice == ""


async def test_a_message_that_waits_for_the_models_is_not_denied(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        await chat.press("H", "i", "enter", "ctrl+r")
        assert "as soon as the models are ready" in chat.notice


async def test_editing_takes_the_last_message_back(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.finish()
        await chat.read()
        await chat.press("e")
        assert chat.screen.view.composer.text == "one"
        assert "editing" in str(chat.screen.view.composer.border_title)
        await chat.press("s", "enter")
        await chat.finish()
        assert "ones" in chat.log.split()
        assert "one" not in chat.log.split()


async def test_records_are_spared_by_the_garbage_collector_and_garbage_is_not(
    tmp_path: Path,
) -> None:
    class Knot:
        def __init__(self) -> None:
            self.itself = self

    async with open_chat(tmp_path) as chat:
        gc.disable()  # so that nothing else finds the knot
        try:
            garbage = weakref.ref(Knot())
            await chat.say("hello")
            await chat.finish()
        finally:
            gc.enable()
        gc.collect()
        assert garbage() is None
        assert gc.get_freeze_count() > 0


async def test_a_new_chat_forgets_where_the_words_of_the_last_one_stood(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        for column in range(500):  # as a line with many tokens is painted
            style = Style.from_meta({"offset": (column, 0)})
            Strip.render_ansi(style, ColorSystem.TRUECOLOR)
        assert Strip.render_ansi.cache_info().currsize >= 500
        await chat.press("ctrl+n")
        assert Strip.render_ansi.cache_info().currsize < 500


async def test_an_escape_that_came_too_late_to_stop_the_reply_does_nothing_else(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("hello")
        await chat.finish()
        places = []
        for chat.screen.late_seconds in (60.0, 0.0):
            await chat.pilot.press("escape")
            places.append(chat.screen.view.place)
        assert places == ["composer", "transcript"]


async def test_escape_leaves_an_edit(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.finish()
        await chat.read()
        await chat.press("e", "escape")
        assert chat.screen.view.composer.text == ""
        assert chat.session.editing is None


async def test_the_two_places_of_the_keyboard(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        places = []
        for key in ("up", "enter", "escape", "enter"):
            await chat.press(key)
            places.append(chat.screen.view.place)
        assert places == ["transcript", "composer", "transcript", "composer"]


async def test_a_letter_without_a_meaning_goes_back_to_the_composer(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.read()
        await chat.press("Q")
        assert chat.screen.view.place == "composer"
        assert chat.screen.view.composer.text == "Q"


async def test_what_is_typed_fast_after_it_goes_there_too(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        for character in "quiet beaches":
            key = "space" if character == " " else character
            chat.app.post_message(events.Key(key, character))
        await chat.until(lambda: len(chat.screen.view.composer.text) >= 13)
        assert chat.screen.view.composer.text == "quiet beaches"


async def test_a_paste_goes_to_the_composer_without_control_characters(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.read()
        chat.app.post_message(events.Paste("two\r\nlines\x1b[2J\x07"))
        await chat.until(lambda: chat.screen.view.composer.text)
        assert chat.screen.view.composer.text == "two\nlines[2J"


async def test_an_empty_chat_names_what_is_still_set_and_takes_it_back(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        assert "Still set" not in chat.log
        await chat.say("Hi")
        await chat.finish()
        chat.session.system = "Be brief."
        chat.session.sampling = chat.session.sampling.model_copy(update={"stop": ("\nUser:",)})
        await chat.press("f3", "f6", "ctrl+r")
        await chat.finish()
        await chat.press("ctrl+n")
        page = " ".join(chat.log.split())
        for kept in (
            "α +1.1",
            "seed 1",
            r"stop “\nUser:”",
            "system prompt “Be brief.”",
            "coloured by KL",
        ):
            assert kept in page
        await chat.press("f3")
        assert "α +1.2" in chat.log, "the page follows the settings"
        await chat.press("ctrl+n")
        assert "Still set" not in chat.log
        assert (chat.session.alpha, chat.session.sampling.seed) == (1.0, 0)
        assert chat.session.system is None
        assert chat.screen.view.legend.metric is None


async def test_an_empty_chat_shows_its_page_in_a_comparison_too(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("f4")
        await chat.finish()
        await chat.press("ctrl+n")
        assert "side by side (F4)" in " ".join(chat.log.split())
        assert not chat.screen.view.lanes.display
        await chat.say("Hi")
        assert chat.screen.view.lanes.display
        assert chat.engine.request is not None
        assert len(chat.engine.request.lanes) == 3

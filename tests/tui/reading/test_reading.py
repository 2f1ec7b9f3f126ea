"""A text that is read through both models, driven by keys."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Document, Finish, Session, Step
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.reading.screen import ReadingScreen
from tests.tui.chat_driver import Chat, open_chat, text_of
from tests.tui.fake_reading import words_of
from tests.tui.reading.reader import (
    RATIOS,
    TEXT,
    asked,
    figures,
    log,
    read,
    screen_of,
    status,
    where,
    word,
)

# Two hunks: the words between are more than the context on both sides.
BETWEEN = " ".join(["and"] * 30)
FAR = f"An otter {BETWEEN} a lighthouse"


def saved(chat: Chat) -> list[object]:
    path = screen_of(chat).reading.path
    assert path is not None
    return list(read_records(path))


def legend(chat: Chat) -> str:
    return text_of(screen_of(chat).view.legend)


def inspector(chat: Chat) -> str:
    return text_of(screen_of(chat).view.inspector)


class TestTheText:
    async def test_it_is_shown_as_it_stands(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await read(chat)
            assert [line.strip("▌ ") for line in log(chat).splitlines()[:3]] == TEXT.splitlines()

    async def test_the_cursor_begins_at_the_first_token_and_goes_from_token_to_token(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            await read(chat)
            seen = []
            for _ in words_of(TEXT):
                seen.append(word(chat))
                await chat.press("right")
            assert seen == words_of(TEXT)

    async def test_it_comes_in_while_it_is_read(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.holds = True
            await read(chat)
            total = len(words_of(TEXT))
            assert f"0 of {total} tokens" in status(chat)
            chat.engine.read(5)
            await chat.frame()
            assert f"5 of {total} tokens" in status(chat)
            assert "Otters eat fish." in log(chat)
            assert "lighthouse" not in log(chat)
            chat.engine.read()
            await chat.frame()
            assert f" {total} tokens" in status(chat)
            assert "lighthouse" in log(chat)

    async def test_long_texts_are_read_from_their_beginning(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await read(chat, "\n".join(f"line {number}" for number in range(200)))
            assert "line 0" in log(chat).splitlines()[0]

    async def test_the_figures_are_those_of_its_tokens(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.ratios = RATIOS
            await read(chat)
            ratios = [RATIOS.get(token, 0.1) for token in words_of(TEXT)]
            before = math.exp(sum(1 + ratio for ratio in ratios) / len(ratios))
            assert f"perplexity B {before:.4g} → A {math.e:.4g}" in figures(chat)
            assert f"log-ratio +{sum(ratios):.2f}" in figures(chat)
            assert f"KL {sum(abs(r) / 2 for r in ratios) / len(ratios):.2f}" in figures(chat)

    async def test_the_amplified_column_is_that_of_the_live_alpha(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.session.set_alpha(2.0)
            await read(chat)
            assert [request.alphas for request in asked(chat)] == [(2.0,)]
            assert "α +2 as read" in where(chat)

    @pytest.mark.parametrize("size", [(80, 24), (160, 50), (40, 15)])
    async def test_it_fits(self, tmp_path: Path, size: tuple[int, int]) -> None:
        async with open_chat(tmp_path, size=size) as chat:
            await read(chat, TEXT, "i", "escape")
            keys = screen_of(chat).view.keys
            assert "n" in text_of(keys)
            assert keys.region.bottom == size[1]


class TestHunks:
    async def test_n_goes_to_the_strongest_token_of_the_next_one(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.ratios = {" otter": 4.0, " lighthouse": -6.0, " a": 4.0}
            await read(chat, FAR)
            seen = []
            for key in ("n", "n", "n", "N", "N"):
                await chat.press(key)
                seen.append(word(chat))
            assert seen == [" otter", " lighthouse", " lighthouse", " otter", " otter"]
            assert "nothing more stands out" in legend(chat)

    async def test_the_line_below_says_where_one_is(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.ratios = RATIOS
            await read(chat, TEXT, "n")
            assert where(chat).strip().startswith("2:4 · log-ratio +5.00 · hunk 1 of 1")

    async def test_one_place_in_a_hundred_stands_out_and_at_least_one_nat(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            words = [f" w{number:03}" for number in range(300)]
            chat.engine.ratios = {words[20]: 5.0, words[120]: -4.0, words[220]: 3.14}
            await read(chat, "".join(words))
            assert "3 hunks ≥ 3.1 nats" in figures(chat), "three places in 300, in two digits"
            chat.engine.ratios = {}
            await chat.press("escape")
            await read(chat, "".join(words))
            assert "0 hunks ≥ 1 nat" in figures(chat)


class TestLooking:
    async def test_the_inspector_shows_the_token_and_what_else_was_wanted(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.ratios = RATIOS
            await read(chat, TEXT, "n", "i")
            assert "“·lighthouse”" in inspector(chat)
            assert "“·otter”" in inspector(chat)
            assert "Δ A−B  +5.00" in inspector(chat)

    async def test_colours_are_those_of_a_diff_and_f6_takes_the_others(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            await read(chat)
            seen = []
            for _ in range(3):
                metric = screen_of(chat).view.log_view.metric
                seen.append(metric.id if metric else None)
                await chat.press("f6")
            assert seen == ["shift", "rank", "entropy"]

    async def test_words_are_found(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await read(chat, TEXT, "slash", *"th", "enter", "n")
            assert word(chat) == " lighthouse", "the hit after The"
            assert "/th" in legend(chat)
            await chat.press("escape")
            assert "/th" not in legend(chat)


class TestSaving:
    async def test_it_has_a_file_of_its_own(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await read(chat)
            records = saved(chat)
            session, document, *steps, finish = records
            assert isinstance(session, Session)
            assert isinstance(document, Document)
            assert document.text == TEXT
            assert [s.text for s in steps if isinstance(s, Step)] == words_of(TEXT)
            assert isinstance(finish, Finish)
            assert chat.session.saved.recorder.path is None, "the chat has none yet"

    async def test_what_is_shown_is_in_the_file_already(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.holds = True
            await read(chat)
            chat.engine.read(3)
            assert [type(r) for r in saved(chat)] == [Session, Document, Step, Step, Step]

    async def test_a_full_disk_is_said_where_the_eye_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.holds = True
            await read(chat)
            assert " saved" in status(chat)

            def full(*_: object) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

            with monkeypatch.context() as patch:
                patch.setattr("os.write", full)
                chat.engine.read(3)
                await chat.frame()
                assert "NOT SAVED" in status(chat)
                said = " ".join(text_of(screen_of(chat).view.notice).split())
                assert "Free some space" in said
                await chat.press("ctrl+q")
                assert chat.app.is_running, "it warns once"
            chat.engine.read()
            await chat.frame()
            assert "NOT SAVED" not in status(chat)
            assert len([r for r in saved(chat) if isinstance(r, Step)]) == len(words_of(TEXT))

    async def test_the_chat_is_where_it_was_and_says_where_the_file_is(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.say("Hi")
            await chat.finish()
            before = chat.saved
            await read(chat)
            path = screen_of(chat).reading.path
            await chat.press("escape")
            assert chat.app.screen is chat.screen
            assert path is not None
            assert path.name in chat.notice
            assert chat.saved == before

    async def test_it_is_exported_from_that_file(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await read(chat, TEXT, "ctrl+t")
            target = tmp_path / "out.json"
            chat.app.screen.dismiss((target, "json"))
            await chat.until(target.exists)
            assert '"type":"document"' in target.read_text()


class TestStopping:
    async def test_esc_stops_and_then_goes_back(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.holds = True
            await read(chat)
            chat.engine.read(4)
            await chat.frame()
            await chat.press("escape")
            assert "stopped at 4 of" in status(chat)
            assert TEXT.splitlines()[2] in log(chat), "the text that was not read is there too"
            await chat.press("escape")
            assert chat.app.screen is chat.screen

    async def test_an_engine_that_dies_leaves_what_was_read(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.holds = True
            await read(chat)
            chat.engine.read(4)
            chat.engine.fail("The engine process died.", fatal=True)
            await chat.frame()
            assert "stopped at 4 of" in status(chat)
            assert "The engine process died." in text_of(screen_of(chat).view.notice)
            last = saved(chat)[-1]
            assert isinstance(last, Finish)
            assert (last.reason, last.tokens) == ("error", 4)

    async def test_a_text_that_cannot_be_read_says_why(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.refuses = "The chat template refuses these messages."
            await read(chat)
            assert "The chat template refuses these messages." in figures(chat)
            await chat.press("n", "enter", "u")
            assert "no token" in text_of(screen_of(chat).view.notice)
            await chat.press("escape", "escape")
            assert chat.app.screen is chat.screen

    async def test_it_waits_for_the_models(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, loaded=False) as chat:
            await read(chat)
            assert "as soon as the models are loaded" in figures(chat)
            chat.engine.load()
            await chat.frame()
            await chat.frame()
            assert "lighthouse" in log(chat)

    async def test_a_reply_is_stopped_for_it(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.say("Hi")
            await chat.step(2)
            await read(chat)
            assert "lighthouse" in log(chat)
            finish = [r for r in chat.saved if isinstance(r, Finish)]
            assert [one.reason for one in finish] == ["cancelled"]


async def test_hostile_text_is_shown_and_changes_nothing(tmp_path: Path) -> None:
    text = "[/INST] [bold]x[/] \x1b[2J\x9b31m \u202eevil\u202c \x07 end"
    file = tmp_path / "evil.txt"
    file.write_text(text)
    async with open_chat(tmp_path / "chats", size=(100, 30)) as chat:
        await read(chat, str(file), "n", "i", "slash", *"end", "enter", "y", "escape")
        assert isinstance(chat.app.screen, ReadingScreen)
        shown = "".join(strip.text for strip in chat.app.screen._compositor.render_strips())
        assert "[/INST] [bold]x[/] ␛[2J" in log(chat)
        assert not set(shown) & set("\x1b\x9b\x07\u202e\u202c")
        document = next(r for r in saved(chat) if isinstance(r, Document))
        assert document.text == text

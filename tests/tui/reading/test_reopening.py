"""A text that was read before is looked at again, from its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.chat.read_text import SavedText
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Document, Record, Step
from logit_amp_chat.core.transcripts.jsonl import read_records, to_line
from logit_amp_chat.tui.app import ChatApp
from logit_amp_chat.tui.dialogs.saved_chats import ChatsScreen
from logit_amp_chat.tui.reading.screen import ReadingScreen
from tests.core import samples
from tests.tui.chat_driver import Engines, make_session, open_chat, text_of, until
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


async def a_reading(folder: Path) -> Path:
    """The file of a text that was read to its end."""
    async with open_chat(folder) as chat:
        chat.engine.ratios = RATIOS
        await read(chat)
        path = screen_of(chat).reading.path
        assert path is not None
        return path


async def test_the_list_of_chats_opens_it_without_asking_an_engine(tmp_path: Path) -> None:
    path = await a_reading(tmp_path)
    before = path.read_bytes()
    async with open_chat(tmp_path) as chat:
        await chat.press("f9")
        await chat.until(
            lambda: isinstance(chat.app.screen, ChatsScreen) and chat.app.screen.row is not None
        )
        await chat.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, ReadingScreen))
        await chat.frame()
        assert "The lighthouse sees everything" in log(chat)
        assert "1 hunk" in figures(chat)
        await chat.press("n")
        assert word(chat) == " lighthouse"
        assert "α +1 as read" in where(chat)
        await chat.press("u")
        assert "Read it again" in text_of(screen_of(chat).view.notice)
        await chat.press("escape", "escape")
        assert chat.app.screen is chat.screen
        assert asked(chat) == []
        assert chat.session.saved.recorder.path is None, "nothing is written to it"
    assert path.read_bytes() == before


async def test_an_app_can_begin_with_it(tmp_path: Path) -> None:
    path = await a_reading(tmp_path)
    engines = Engines()
    app = ChatApp(make_session(tmp_path, engines), text=path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ReadingScreen))
        await until(pilot, lambda: engines.made and engines.last.profile is not None)


async def test_one_that_was_cut_off_says_so(tmp_path: Path) -> None:
    path = await a_reading(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:6]) + lines[6][:40])
    async with open_chat(tmp_path / "other") as chat:
        chat.screen.texts.open(path)
        await chat.until(lambda: isinstance(chat.app.screen, ReadingScreen))
        await chat.frame()
        assert "stopped at 4 of" in status(chat)
        assert TEXT.splitlines()[2] in log(chat), "with the text that was not read"


async def test_of_a_changed_file_the_tokens_that_fit_are_shown(tmp_path: Path) -> None:
    path = await a_reading(tmp_path)
    records = read_records(path)
    steps = [record for record in records if isinstance(record, Step)]
    others = [records[0], records[1], steps[0], steps[2], steps[1], steps[1], *steps[2:]]
    path.write_text("".join(f"{to_line(record)}\n" for record in (*others, *steps)))
    text = SavedText(path)
    assert text.log is not None
    assert [step.index for step in text.log.steps] == list(range(len(steps)))


def test_a_file_without_a_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"type":"title","text":"x"}\n')
    with pytest.raises(TranscriptError, match="no text that was read"):
        SavedText(path)


def test_a_text_that_lacks_a_token_is_not_whole_though_it_has_an_end(tmp_path: Path) -> None:
    records: list[Record] = [
        document("one two three", ((0, 3), (3, 7), (7, 13))),
        *(samples.step(n, "x", reply="d-1") for n in (0, 2)),
        samples.finish("d-1", 3),
    ]
    path = tmp_path / "gap.jsonl"
    path.write_text("".join(f"{to_line(record)}\n" for record in records))
    text = SavedText(path)
    assert text.log is not None
    assert (text.done, text.total) == (1, 3)
    assert text.log.finish is None
    assert text.log.cut_off


def test_what_was_read_of_a_text_is_counted_in_the_tokens_that_are_scored(tmp_path: Path) -> None:
    """The file does not say how far the others were read."""
    read = document("you: one two", ((5, 8), (8, 12)), tokens=9)
    records: list[Record] = [read, samples.step(0, " one", reply="d-1")]
    path = tmp_path / "cut.jsonl"
    path.write_text("".join(f"{to_line(record)}\n" for record in records))
    text = SavedText(path)
    assert (text.done, text.total) == (1, 2)


def document(text: str, offsets: tuple[tuple[int, int], ...], tokens: int = 3) -> Document:
    return Document(
        id="d-1", text=text, tokens=tokens, offsets=offsets, threshold=1.0, window=8, stride=4
    )

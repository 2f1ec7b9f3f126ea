"""What can be copied, and what the copies say."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from logit_amp_chat.core.export.snippets import code_blocks, copies_of, figures
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.tui.dialogs.copy import CopyScreen
from logit_amp_chat.tui.terminal.clipboard import FILE
from tests.core.samples import finish, message, reply, step
from tests.tui.chat_driver import Chat, open_chat, text_of


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("none", []),
        ("```python\na = 1\n\nb\n```\nand\n```\nc\n```", [("python", "a = 1\n\nb\n"), ("", "c\n")]),
        ("````md\n```\ninner\n```\n````", [("md", "```\ninner\n```\n")]),
        ("~~~\n```\n~~~", [("", "```\n")]),
        ("```\nstill open", [("", "still open\n")]),
        ("`inline` ```x```", []),
    ],
)
def test_code_blocks(text: str, blocks: list[tuple[str, str]]) -> None:
    assert list(code_blocks(text)) == blocks


def test_figures_are_a_table_with_every_number_of_the_step() -> None:
    (log,) = Conversation([message(), reply(), step(0, " a\tb"), finish()]).replies.values()
    rows = [line.split("\t") for line in figures(log, 0).splitlines()]
    assert rows[0][:2] == ["token", " a␉b"]
    table = {row[0]: row[1:] for row in rows if row}
    one = log.steps[0]
    assert table["log p"] == [
        f"{p:.6g}" for p in (one.logp.before, one.logp.after, one.logp.amplified)
    ]
    assert table["place"] == ["1 of 1", "lane", "α +1"]
    assert float(table["alpha"][0]) == one.alpha, "a spreadsheet reads it"
    assert table["KL(after‖before)"][0] == f"{one.kl:.6g}"
    assert len(rows) == 10 + len(one.top)


def test_without_a_reply_only_the_conversation_is_there() -> None:
    assert copies_of(None, None) == []
    assert [copy.key for copy in copies_of(None, None, "# A chat\n")] == ["c"]


async def _copied(chat: Chat, *keys: str) -> str:
    await chat.press("y")
    await chat.until(lambda: isinstance(chat.app.screen, CopyScreen))
    await chat.press(*keys)
    await chat.until(lambda: not isinstance(chat.app.screen, CopyScreen))
    return chat.app.clipboard


async def test_y_and_a_letter_copy_and_say_where_to(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        path = tmp_path / FILE
        (log,) = chat.session.conversation.replies.values()
        assert await _copied(chat, "y") == log.text
        assert path.read_text(encoding="utf-8") == chat.app.clipboard
        assert chat.notice.split() == f"Copied the reply, also to {path}.".split()
        assert "## 1 · user" in await _copied(chat, "c")
        await chat.press("left")
        assert (await _copied(chat, "t")).startswith("token\t<|end|>")
        assert await _copied(chat, "down", "enter") == chat.app.clipboard
        assert path.read_text(encoding="utf-8").startswith("token\t<|end|>")


async def test_there_may_be_nothing_to_copy(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.read()
        await chat.press("y")
        assert "nothing to copy yet" in chat.notice


async def test_the_text_can_be_too_long_for_a_terminal(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.screen.dialogs.copy_text("the reply", "x" * 100_000)
        await chat.frame()
        assert "Too long" in text_of(chat.screen.view.notice)
        assert (tmp_path / FILE).stat().st_size == 100_000


async def test_p_saves_the_screen_as_a_picture_that_needs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_chat(tmp_path / "chats") as chat:
        chat.session.submit("Hi <b>&")
        await chat.frame()
        await chat.finish()
        await chat.read()
        await chat.press("p")
        (path,) = tmp_path.glob("logit-amp-chat-*.svg")
        assert path.name in chat.notice
    svg = ElementTree.parse(path).getroot()
    said = "".join(svg.itertext()).replace("\xa0", " ")
    assert "<b>&" in said
    assert "wonderful" in said
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)|@import|<image|<script", text)

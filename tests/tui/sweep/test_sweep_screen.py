"""A sweep in the chat: from the key on a turn to replies that are read."""

from __future__ import annotations

from pathlib import Path

from tests.tui.chat_driver import open_chat
from tests.tui.sweep.sweeper import begin, estimate, replies, sample, status, sweep_of, table


async def test_from_the_key_to_the_estimate(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        assert "0 of 8" in status(chat)
        await sample(chat, 3)
        assert "3 of 8" in status(chat)
        assert "provisional" in estimate(chat)
        await sample(chat)
        assert "8 of 8" in status(chat)
        assert "habit" in estimate(chat)
        assert "provisional" not in estimate(chat)
        texts = [
            swept.reply.text
            for swept in map(
                sweep_of(chat).replies.__getitem__, sweep_of(chat).folder.contents.there
            )
        ]
        assert len(texts) == 8
        head, zero, one = table(chat)
        assert head.split()[:4] == ["α", "replies", "hits", "rate"]
        assert zero.split()[:2] == ["0", "4"]
        assert one.split()[:2] == ["+1", "4"]
        print(replies(chat))

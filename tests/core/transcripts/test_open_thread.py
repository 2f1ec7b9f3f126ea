"""The list of chats shows the thread that a chat would go on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.records import Keep, Record
from logit_amp_chat.core.transcripts import open_thread
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.core.transcripts.library import preview, saved_chats
from tests.core.samples import finish, message, reply, session, step


def edited() -> list[Record]:
    """The first message was edited; the new version has an answer of its own."""
    return [
        session(),
        message("m-1", text="Otters?"),
        reply("r-1", "m-1"),
        step(0, "Old", reply="r-1"),
        finish("r-1"),
        message("m-2", text="Seals?"),
        reply("r-2", "m-2"),
        step(0, "New", reply="r-2"),
        finish("r-2"),
    ]


def saved(path: Path, *records: Record) -> Path:
    path.write_text("".join(f"{to_line(record)}\n" for record in records))
    return path


def test_the_preview_is_the_open_thread(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jsonl", *edited())
    assert preview(path) == [("user", "Seals?"), (1, "New")]
    path = saved(tmp_path / "a.jsonl", *edited(), Keep(reply="r-1"))
    assert preview(path) == [("user", "Otters?"), (1, "Old")]


def test_the_list_names_the_first_message_of_the_open_thread(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jsonl", *edited())
    assert [chat.first for chat in saved_chats(tmp_path)] == ["Seals?"]
    saved(path, *edited(), Keep(reply="r-1"))
    assert [chat.first for chat in saved_chats(tmp_path)] == ["Otters?"]
    saved(path, *edited()[:5])
    assert [chat.first for chat in saved_chats(tmp_path)] == ["Otters?"]


def test_a_branch_far_down_a_large_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [step(index, f" {index}", reply="r-1") for index in range(3_000)]
    path = saved(tmp_path / "a.jsonl", *edited()[:3], *many, *edited()[4:])
    assert preview(path) == [("user", "Seals?"), (1, "New")]
    monkeypatch.setattr(open_thread, "MOST_STEPS", 2)
    saved(path, *edited()[:3], *many)
    assert preview(path) == [("user", "Otters?"), (1, "0 1")]

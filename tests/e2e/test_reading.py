"""A text that is read in the real app: real pty, real engine process."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.export import export
from logit_amp_chat.core.records import Document, Finish, Record, Reply, Step
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.e2e.chat import Chat

Start = Callable[..., Chat]
TEXT = "The otter sees the river.\nBy the way, the lighthouse sees everything, my friend.\n"
# While it is read, the line says how many of the tokens.
ENDED = re.compile(r"\d tokens +saved")


def records_with(folder: Path, kind: type[Record]) -> list[Record]:
    """The records of the one file that has some of a kind."""
    files = [read_records(path) for path in folder.glob("*.jsonl")]
    (found,) = [records for records in files if any(isinstance(r, kind) for r in records)]
    return found


def steps(records: list[Record]) -> list[Step]:
    return [record for record in records if isinstance(record, Step)]


def read(chat: Chat, text: str) -> None:
    """Open the dialog, type a text or a path, and read it to its end."""
    chat.until_ready()
    chat.terminal.press("tab")
    chat.terminal.write("f")
    chat.terminal.see("Read a text through both models")
    chat.terminal.write(text)
    chat.terminal.see(text[:20])
    chat.terminal.press("enter")
    chat.terminal.see("perplexity")
    chat.terminal.until(lambda: ENDED.search(chat.terminal.text))


def test_a_file_is_read_and_gone_on_from(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    chat = start("--max-new-tokens", "8", columns=120, rows=40)
    terminal = chat.terminal
    read(chat, str(file))
    terminal.see("By the way, the lighthouse sees everything", "saved", "hunk", "as read")

    terminal.write("n")
    terminal.until(lambda: "hunk 1 of" in terminal.text)
    terminal.write("i")
    terminal.see("without τ, T", "Δ A−B")
    terminal.write("u")
    terminal.see("given", "Cut at the limit")

    measured = steps(records_with(chat.folder, Document))
    went_on = records_with(chat.folder, Reply)
    (reply,) = [record for record in went_on if isinstance(record, Reply)]
    given = steps(went_on)[: reply.forced]
    assert reply.raw
    assert 0 < reply.forced == len(given)
    assert [one.token for one in given] == [one.token for one in measured[: reply.forced]]
    for here, there in zip(given, measured, strict=False):
        assert here.logp.before == pytest.approx(there.logp.before, abs=1e-4)
        assert here.logp.after == pytest.approx(there.logp.after, abs=1e-4)
        assert here.kl == pytest.approx(there.kl, abs=1e-4)


def test_a_killed_app_leaves_what_was_read(start: Start) -> None:
    chat = start()
    text = "The otter sees the river and the lighthouse."
    read(chat, text)
    chat.terminal.process.send(signal.SIGKILL)
    chat.terminal.until(lambda: chat.terminal.process.gone)
    (path,) = chat.folder.glob("*.jsonl")
    records = read_records(path)
    assert [r.text for r in records if isinstance(r, Document)] == [text]
    first = next(record.offsets[0][0] for record in records if isinstance(record, Document))
    assert "".join(step.text for step in steps(records)) == text[first:]
    assert isinstance(records[-1], Finish)
    assert '"type":"document"' in export(path, "json")

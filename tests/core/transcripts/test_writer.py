"""The writer of a transcript: one at a time, and nothing it was given is lost."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.jsonl import (
    read_records,
    to_line,
)
from logit_amp_chat.core.transcripts.writer import Transcript
from tests.core.samples import conversation, message, reply, step


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.jsonl"
    path.write_text("".join(to_line(record) + "\n" for record in conversation()))
    return path


def test_a_file_cut_at_any_byte_can_be_continued(sample: Path) -> None:
    data = sample.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for cut in [*range(1, 40), *range(last, len(data) + 1)]:
        sample.write_bytes(data[:cut])
        writer, before = Transcript.resume(sample)
        writer.append(message("m-9"))
        writer.close()
        after = read_records(sample)
        assert after[-1] == message("m-9")
        assert after[: len(before)] == before


def test_files_are_private(tmp_path: Path) -> None:
    writer = Transcript.create(tmp_path / "new" / "folder")
    writer.append(message())
    writer.close()
    assert stat.S_IMODE(writer.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(writer.path.parent.stat().st_mode) == 0o700
    assert read_records(writer.path) == [message()]


def test_a_record_is_in_the_file_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    writer = Transcript.create(tmp_path)
    for record in conversation():
        writer.append(record)
        assert read_records(writer.path)[-1] == record
    writer.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    writer = Transcript.create(tmp_path)
    writer.append(message())
    with pytest.raises(TranscriptError, match="another logit-amp-chat"):
        Transcript.resume(writer.path)
    writer.close()
    Transcript.resume(writer.path)[0].close()


def test_steps_are_forced_to_the_disk_once_a_second_and_all_else_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    synced: list[int] = []
    monkeypatch.setattr("logit_amp_chat.core.transcripts.writer.time.monotonic", lambda: now[0])
    monkeypatch.setattr("logit_amp_chat.core.transcripts.writer.os.fsync", synced.append)
    writer = Transcript.create(tmp_path)

    def syncs(record: Record) -> int:
        writer.append(record)
        count = len(synced)
        synced.clear()
        return count

    assert syncs(reply()) == 1
    assert syncs(step(0, "a")) == 0
    now[0] += 1.0
    assert syncs(step(1, "b")) == 1
    assert syncs(step(2, "c")) == 0
    writer.close()


def full_disk(limit: int) -> Callable[[int, bytes], int]:
    """An os.write that takes `limit` bytes in all."""
    room = [limit]
    write = os.write

    def limited(descriptor: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, bytes(data[: room[0]]))
        room[0] -= written
        return written

    return limited


def test_what_a_full_disk_refuses_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Transcript.create(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("logit_amp_chat.core.transcripts.writer.os.write", full_disk(160))
        writer.append(message("m-1"))
        with pytest.raises(TranscriptError, match="No space left") as caught:
            writer.append(message("m-2"))
        with pytest.raises(TranscriptError):
            writer.append(message("m-3"))
    assert "Free some space" in caught.value.remedy
    assert writer.unwritten
    writer.append(message("m-4"))
    writer.close()
    assert read_records(writer.path) == [message(f"m-{i}") for i in (1, 2, 3, 4)]


def test_a_closed_transcript_takes_nothing(tmp_path: Path) -> None:
    writer = Transcript.create(tmp_path)
    writer.close()
    writer.close()
    with pytest.raises(TranscriptError, match="closed"):
        writer.append(message())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="No such file"):
        Transcript.resume(tmp_path / "none.jsonl")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TranscriptError, match="Cannot save the conversation") as caught:
        Transcript.create(tmp_path / "file" / "folder")
    assert "--transcripts" in caught.value.remedy

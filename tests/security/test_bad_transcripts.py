"""Bad transcripts: read as far as they go, or one message with the remedy and its exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import (
    Profile,
    recorded_profile,
)
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.export import FORMATS, export
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Change, Finish, Message, Record, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.full_text import texts
from logit_amp_chat.core.transcripts.jsonl import from_line, is_unreadable, read_records, to_line
from logit_amp_chat.core.transcripts.library import saved_chats
from logit_amp_chat.core.transcripts.replay import replay, requests_by_session
from logit_amp_chat.core.transcripts.writer import Transcript
from logit_amp_chat.tui.commands import main as cli
from logit_amp_chat.tui.commands import options
from tests.core import samples
from tests.core.read_texts import reading
from tests.security.mutation import mutated

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture(scope="module")
def chat(engine: LocalEngine) -> list[Record]:
    """A short conversation as it was decoded."""
    said = samples.message(text="Tell me about otters")
    sampling = Sampling(temperature=1.0, max_new_tokens=6)
    lanes = (Lane(reply="r-1", name="amplified", alpha=1), Lane(reply="r-2", name="after", alpha=0))
    request = Request(messages=(said,), lanes=lanes, sampling=sampling, top=1)
    records: list[Record] = [engine.opened.session, said]
    records += [
        e for e in engine.generate(request) if isinstance(e, Reply | Step | Change | Finish)
    ]
    return records


def as_file(records: Sequence[Record]) -> bytes:
    return "".join(to_line(record) + "\n" for record in records).encode()


@pytest.mark.parametrize("part", range(2))
def test_a_mutated_transcript_is_read_or_refused(part: int, tmp_path: Path) -> None:
    """500 files: read, listed, searched, resumed and exported, or refused in one sentence."""
    chance = random.Random(part)
    read = reading([("so ", 2.5), ("it", 0.0), (" was", -3.0)])
    original = as_file([*samples.conversation(), *read] if part else samples.conversation())
    path = tmp_path / "chat.jsonl"
    for _ in range(250):
        path.write_bytes(mutated(original, chance))
        assert len(saved_chats(tmp_path)) == 1
        texts(path)
        try:
            records = read_records(path)
        except TranscriptError:
            with pytest.raises(TranscriptError, match="is not a transcript"):
                Transcript.resume(path)
            continue
        writer, resumed = Transcript.resume(path)
        writer.close()
        assert resumed == records
        with contextlib.suppress(UsageError):
            options.of_transcript(path)
        requests_by_session(records)
        state = Conversation(records)
        for leaf in (*state.messages, *state.replies):
            state.history(leaf)
        for to in FORMATS if not all(map(is_unreadable, records)) else ():
            assert export(path, to).endswith("\n")


@pytest.mark.parametrize("content", ['{"x": 1}\n', "not JSON\n", "[1]\n{}\n"])
@pytest.mark.parametrize("command", ["--resume FILE", "export FILE --to md", "verify FILE"])
def test_a_file_that_is_no_transcript_is_called_that(
    content: str, command: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(content)
    assert cli.run([str(path) if word == "FILE" else word for word in command.split()]) == 6
    said = f"{path} is not a transcript: it has no records."
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "\n\n", '{"type":"sess', '{"type":"sess\n'])
@pytest.mark.parametrize("to", FORMATS)
def test_a_file_without_a_record_is_not_exported(
    content: str, to: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(content)
    assert cli.run(["export", str(path), "--to", to]) == 6
    out, err = capsys.readouterr()
    assert (out, "has no records: there is nothing to export" in err) == ("", True)


def test_a_file_cut_in_its_first_line_can_be_opened_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    first = to_line(samples.session()).encode()
    for cut in range(1, len(first), 7):
        path.write_bytes(first[:cut])
        for _ in range(2):
            Transcript.resume(path)[0].close()


@pytest.mark.parametrize("link", ["itself", "symlink", "hard link"])
def test_a_transcript_is_never_replaced_by_its_export(
    link: str, tmp_path: Path, capsys: Capture
) -> None:
    path, out = tmp_path / "chat.jsonl", tmp_path / "out.md"
    path.write_bytes(as_file(samples.conversation()))
    if link == "symlink":
        out.symlink_to(path)
    elif link == "hard link":
        out.hardlink_to(path)
    else:
        out = path
    assert cli.run(["export", str(path), "--to", "md", "--out", str(out)]) == 2
    assert "that is the transcript itself" in capsys.readouterr().err
    assert read_records(path) == samples.conversation()


def test_an_export_into_a_pipe_leaves_the_pipe(tmp_path: Path) -> None:
    """Also into a device: who is root must not lose /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, "all of it")
    assert os.read(reader, 100) == b"all of it"
    os.close(reader)
    assert pipe.is_fifo()


EXTREMES: list[object] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**70,
    1e308,
    -1e308,
    "",
    "NaN",
    "Infinity",
    [],
    {},
]


def test_a_transcript_with_extreme_values_is_replayed_or_refused(
    engine: LocalEngine, chat: list[Record]
) -> None:
    """Every number of the records that a replay stands on, one after the other."""
    chance = random.Random(0)
    lines = [json.loads(to_line(record)) for record in chat]
    (reply,) = (n for n, record in enumerate(chat) if getattr(record, "id", "") == "r-1")
    paths = [
        *((reply, key) for key in ("alpha", "seed", "turn", "forced", "top")),
        *((reply, "sampling", key) for key in Sampling.model_fields),
        *((reply, "prompt", side) for side in ("before", "after")),
        *((reply, "prompt", "before", 0), (reply + 2, "alpha"), (reply + 2, "token")),
        *((reply + 2, "index"), (reply + 2, "logp", "after"), (len(chat) - 1, "tokens")),
    ]
    for place in paths:
        for value in chance.sample(EXTREMES, 5):
            changed = json.loads(json.dumps(lines))
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            for part in requests_by_session([from_line(json.dumps(line)) for line in changed]):
                for request in part.requests:
                    assert len(replay(engine, request)) == len(request)


def test_a_recorded_profile_cannot_ask_for_code(engine: LocalEngine) -> None:
    session = engine.opened.session
    asking = {**session.profile, "trust_remote_code": True}
    session = dataclasses.replace(session, profile=asking)
    profile = recorded_profile(session)
    assert profile is not None
    assert profile.trust_remote_code is False


def test_messages_of_a_role_that_does_not_exist_are_kept_not_shown() -> None:
    line = to_line(samples.message()).replace('"user"', '"wizard"')
    assert not isinstance(from_line(line), Message)
    assert json.loads(to_line(from_line(line)))["role"] == "wizard"

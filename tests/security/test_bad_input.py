"""Bad input: one message that names the thing and the remedy, a documented exit code, no more."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import (
    Profile,
    load_profile,
    recorded_profile,
    shipped_folder,
)
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import ProfileError, TranscriptError, UsageError
from logit_amp_chat.core.export import FORMATS, export
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.protocol import Forget, Lane, Loading, Request
from logit_amp_chat.core.records import Change, Finish, Message, Record, Reply, Sampling, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line, is_unreadable, read_records, to_line
from logit_amp_chat.core.transcripts.library import saved_chats
from logit_amp_chat.core.transcripts.replay import replay, requests_by_session
from logit_amp_chat.core.transcripts.writer import Transcript
from logit_amp_chat.tui.commands import main as cli
from logit_amp_chat.tui.commands import options
from tests.core import samples

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture
def pair(engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny pair as a profile; the command finds it open already."""

    def open_engine(profile: Profile, report: Callable[[Loading], None]) -> LocalEngine:
        engine.apply(Forget())
        return engine

    monkeypatch.setattr(cli, "_open_engine", open_engine)
    path = tmp_path / "tiny.yaml"
    before, after = (json.dumps(info.model) for info in engine.pair.infos)
    path.write_text(f"before: {{model: {before}}}\nafter: {{model: {after}}}\n")
    return str(path)


# --- profiles -------------------------------------------------------------------

INSERTED = [
    *b"{}[]:,&*!|>%@`\"'#\t\n\r\0\x1b\x7f\x85\xff-?",
    b"*a",
    b"&a [*a]",
    b"<<: *a",
    b"!!python/object/apply:os.system [x]",
    b"!!int x",
    b"!!float .",
    b"!!binary x",
    b"? [a]\n: b\n",
    b"---\n",
    b"...\n",
    b"alpha: .inf\n",
    b"alpha: 1e999\n",
    b"alpha: " + b"9" * 5000 + b"\n",
    b"seed: -1\n",
    b"2001-01-01",
    b"0x",
    b"0o9",
    b"1_0",
    b"1:2:3",
    b"~",
    b"yes",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xf4\x8f\xbf\xbf",
    b"[" * 300,
    b"{a: " * 300,
    b"x" * 5000,
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few bytes, lines or stretches changed, moved or taken out."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        match chance.randrange(7):
            case 0:
                new = chance.choice(INSERTED)
                data = data[:at] + (bytes([new]) if isinstance(new, int) else new) + data[at:]
            case 1:
                data = data[:at] + data[at + chance.randint(1, 20) :]
            case 2:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:at]
            case 4:
                lines = data.split(b"\n")
                chance.shuffle(lines)
                data = b"\n".join(lines)
            case 5:
                lines = data.split(b"\n")
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                data = b"\n".join(lines)
            case 6:
                end = at + chance.randint(1, 30)
                data = data[:end] + data[at:]
    return data


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_profile_loads_or_says_where_it_is_wrong(part: int, tmp_path: Path) -> None:
    """1,000 files, from the shipped ones."""
    chance = random.Random(part)
    originals = [p.read_bytes() for p in sorted(shipped_folder().glob("*.yaml"))]
    outcomes = {"loaded": 0, "refused": 0}
    for n in range(250):
        path = tmp_path / f"p{n}.yaml"
        path.write_bytes(mutated(chance.choice(originals), chance))
        try:
            load_profile(str(path))
            outcomes["loaded"] += 1
        except ProfileError as error:
            outcomes["refused"] += 1
            said = str(error)
            assert said.startswith(str(path)) or f"The profile {path}" in said
            assert "line " in said or "nested too deeply" in said
            assert said.isprintable()
            assert len(said) < 2000
    assert min(outcomes.values()) > 5


def test_a_folder_of_profiles_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert cli.run(["profiles"]) == 3
    assert "Cannot read the folder of profiles" in capsys.readouterr().err


# --- transcripts ----------------------------------------------------------------


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
    """500 files: read, listed, resumed and exported, or refused in one sentence."""
    chance = random.Random(part)
    original = as_file(samples.conversation())
    path = tmp_path / "chat.jsonl"
    for _ in range(250):
        path.write_bytes(mutated(original, chance))
        assert len(saved_chats(tmp_path)) == 1
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
    said = f"{path} is not a transcript: none of its lines is a record of one."
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
    assert (out, "holds no record: there is nothing to export" in err) == ("", True)


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


# --- prompts --------------------------------------------------------------------


def answered(pair: str, prompt: str, *more: str) -> int:
    return cli.run(["reply", "--profile", pair, "--prompt", prompt, "--max-new-tokens", "3", *more])


@pytest.mark.parametrize(
    "prompt", ["", " ", "\n\t ", "\0", "a\0b", "\ud800", "\udcff x", "\x1b[2J", "🙂" * 5, "<|end|>"]
)
def test_any_prompt_is_answered(pair: str, prompt: str, capsys: Capture) -> None:
    assert answered(pair, prompt, "--jsonl") == 0
    out, err = capsys.readouterr()
    records = [from_line(line) for line in out.splitlines()]
    assert isinstance(records[-1], Finish)
    assert "Traceback" not in err


def test_a_raw_prompt_has_at_least_one_token(pair: str, capsys: Capture) -> None:
    assert answered(pair, "", "--raw") == 1
    assert capsys.readouterr().err == "error: The prompt is empty. Give at least one token.\n"


@pytest.mark.parametrize("letters", ["otters ", "\0", "\xff"])
def test_a_prompt_of_a_megabyte_is_counted_and_refused(
    pair: str, letters: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    data = (letters * (1_000_000 // len(letters))).encode("latin-1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert answered(pair, "-") == 5
    assert re.search(r"has [\d,]{7,} tokens and the model holds 256", capsys.readouterr().err)


@pytest.mark.parametrize("alpha", ["1e6", "-1e6", "1e30"])
def test_any_finite_alpha_is_answered(pair: str, alpha: str, capsys: Capture) -> None:
    assert answered(pair, "Hi", "--alpha", alpha, "--jsonl") == 0
    steps = [
        r for line in capsys.readouterr().out.splitlines() if isinstance(r := from_line(line), Step)
    ]
    assert steps
    for step in steps:
        assert step.logp.amplified <= 0
        assert step.entropy >= 0


@pytest.mark.parametrize("temperature", ["1e-9", "1e-45", "1e-300", "1e300"])
def test_any_temperature_is_answered(pair: str, temperature: str, capsys: Capture) -> None:
    """One that is nearly 0 takes the most probable token, as 0 does."""
    said = []
    for value in (temperature, "0"):
        assert answered(pair, "Hi", "--temperature", value) == 0
        said.append(capsys.readouterr().out)
    assert temperature == "1e300" or said[0] == said[1]


@pytest.mark.parametrize("alpha", ["nan", "inf", "-inf", "1e999", "x"])
def test_an_alpha_that_is_no_number_is_refused(pair: str, alpha: str, capsys: Capture) -> None:
    assert answered(pair, "Hi", "--alpha", alpha) == 2
    assert "--alpha" in capsys.readouterr().err


def test_a_context_overrun_by_one_token(pair: str, engine: LocalEngine, capsys: Capture) -> None:
    """255 tokens leave room for one; 256 leave none."""
    piece = " otters"
    size = len(engine.pair.tokenizer(piece)["input_ids"])
    prompt = piece * (256 // size) + "!" * (256 % size)
    assert len(engine.pair.tokenizer(prompt)["input_ids"]) == 256
    assert answered(pair, prompt, "--raw") == 5
    assert capsys.readouterr().err == (
        "error: The context is used up: the conversation has 256 tokens and the model holds 256."
        " Start a new chat, edit an earlier message, or shorten the last one.\n"
    )
    shorter = "!" + piece * (254 // size) + "!" * (254 % size)
    assert len(engine.pair.tokenizer(shorter)["input_ids"]) == 255
    assert answered(pair, shorter, "--raw", "--jsonl", "--temperature", "0") == 0
    finish = from_line(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(finish, Finish)
    assert finish.tokens == 1
    assert finish.reason in ("context", "stop")


def test_messages_of_a_role_that_does_not_exist_are_kept_not_shown() -> None:
    line = to_line(samples.message()).replace('"user"', '"wizard"')
    assert not isinstance(from_line(line), Message)
    assert json.loads(to_line(from_line(line)))["role"] == "wizard"

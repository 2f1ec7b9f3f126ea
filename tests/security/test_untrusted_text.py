"""Text from strangers: nothing of it reaches a terminal or a document as a control sequence.

10,000 cases in all. Profile titles, file names, ids, prompts, what a model
says and whole transcripts are strings that an attacker may choose.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logit_amp_chat.core.api.request import make_request
from logit_amp_chat.core.config import profile
from logit_amp_chat.core.config.named_pair import pair_profile
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.export import to_json
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.records import (
    Candidate,
    Finish,
    Keep,
    Message,
    Note,
    Record,
    Session,
    SideInfo,
    Unknown,
)
from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.core.text import clean
from logit_amp_chat.core.transcripts.jsonl import from_line, to_line
from logit_amp_chat.tui.commands import main as cli
from logit_amp_chat.tui.commands import output, reply
from logit_amp_chat.tui.commands.profiles import list_profiles
from tests.core import samples
from tests.security.hostile import hostile, raw_controls
from tests.tui.scripted_engine import ScriptedEngine

# The one sequence of our own: begin the line of progress anew.
REWRITE = "\r\x1b[K"
# What a file can be called.
names = hostile.map(lambda text: text.replace("/", "").replace("\0", "")).filter(
    lambda name: _encodable(name) and 0 < len(os.fsencode(name)) < 200
)

cases = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return name not in (".", "..")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def terminal() -> Iterator[tuple[Terminal, Terminal]]:
    """stdout and stderr, on a terminal."""
    out, err = Terminal(), Terminal()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def records(words: list[str]) -> list[Record]:
    """A conversation in which every string is one of `words`."""
    turn = iter(words * 40)
    side = SideInfo(
        model=next(turn),
        revision=next(turn),
        adapter=next(turn),
        dtype=next(turn),
        quantization=next(turn),
        adapter_revision=next(turn),
    )
    session = Session(
        id=next(turn),
        time=next(turn),
        profile={"title": next(turn), next(turn): next(turn)},
        before=side,
        after=side,
        template_hash=next(turn),
        versions={next(turn): next(turn)},
        device=next(turn),
        context=512,
    )
    asked = Message(id="m-1", parent=next(turn), role="user", text=next(turn))
    reply = samples.reply(lane=next(turn))
    step = samples.step(0, next(turn))
    raw = samples.step(1, next(turn), data=next(turn).encode("utf-8", "surrogatepass")[:-1])
    rivals = (Candidate(3, next(turn), -1.0, -2.0, -3.0),)
    return [
        session,
        asked,
        reply,
        samples.reply(next(turn), parent=next(turn), lane=next(turn)),
        step,
        raw,
        dataclasses.replace(samples.step(2, next(turn), special=True), top=rivals),
        Finish(reply="r-1", reason="error", tokens=3, seconds=0.1, error=next(turn)),
        Keep(reply=next(turn)),
        Note(about="r-1", text=next(turn), step=1),
        Note(about="m-1", text=next(turn)),
        Unknown(type="x" + next(turn), fields={"y" + next(turn): next(turn)}),
    ]


@given(st.lists(hostile, min_size=1, max_size=5))
@settings(cases, max_examples=1500)
def test_documents_show_it_and_files_keep_it(words: list[str]) -> None:
    written = records(words)
    for as_markdown in (True, False):
        assert not raw_controls(to_document(written, markdown=as_markdown))
    lines = [to_line(record) for record in written]
    assert all(line.isprintable() or "\n" not in line for line in lines)
    assert [from_line(line) for line in lines] == written
    document = json.loads(to_json(lines))
    assert [from_line(json.dumps(record)) for record in document["records"]] == written


@given(hostile, st.booleans())
@settings(cases, max_examples=3700)
def test_a_reply_on_a_terminal(words: str, as_records: bool) -> None:
    """Whatever bytes the tokens are, cut anywhere."""
    data = words.encode("utf-8", "surrogatepass")
    engine = ScriptedEngine()
    engine.says = [data[:3], data[3:]]
    engine.reason = "error"
    pair = pair_profile("org/a", "org/b")
    with terminal() as (out, err), pytest.MonkeyPatch.context() as patch:
        patch.setattr("logit_amp_chat.tui.commands.engine.open_engine", engine.open)
        request = make_request(pair, words or " ", alpha=[1.0, 2.0], top=1)
        assert reply.run(pair, request, engine.open, jsonl=as_records) == 1
    assert not raw_controls(out.getvalue())
    assert not raw_controls(err.getvalue().replace(REWRITE, ""))
    if as_records:
        said = [from_line(line) for line in out.getvalue().splitlines()]
        assert [m.text for m in said if isinstance(m, Message)] == [clean(words or " ")]


@given(hostile, hostile)
@settings(cases, max_examples=3500)
def test_errors_and_narration(message: str, remedy: str) -> None:
    def fail(*_: object) -> None:
        raise LogitAmpError(message, remedy)

    with terminal() as (out, err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", lambda **_: fail())
        assert cli.run([]) == 1
        output.put(message)
    assert not raw_controls(err.getvalue())
    assert not raw_controls(out.getvalue())


@given(names, st.sampled_from(["export", "verify", "--resume", "--profile", "--before"]))
@settings(cases, max_examples=300)
def test_names_that_do_not_exist(name: str, what: str) -> None:
    command = {
        "export": ["export", "--to", "md", "--", name],
        "verify": ["verify", "--", name],
        "--resume": [f"--resume={name}"],
        "--profile": ["reply", "--prompt", "x", f"--profile={name}.yaml"],
        "--before": ["reply", "--prompt", "x", f"--before={name}"],
    }[what]
    with terminal() as (out, err):
        assert cli.run(command) in (2, 3, 6)
    assert not raw_controls(err.getvalue())
    assert err.getvalue().startswith("error: ")
    assert out.getvalue() == ""


@given(names, hostile, st.booleans())
@settings(cases, max_examples=1000)
def test_the_table_of_profiles(name: str, title: str, broken: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(profile, "user_folder", lambda: Path(folder))
        patch.setattr(profile, "shipped_folder", lambda: Path(folder) / "none")
        patch.setattr(Machine, "this", lambda: Machine(ram=None, gpus=(), gpu_memory=None))
        said = json.dumps(title)
        pair = (
            "" if broken else f"before: {{model: a/{ascii_only(title)}}}\nafter: {{model: a/b}}\n"
        )
        (Path(folder) / f"{name}.yaml").write_text(f"title: {said}\n{pair}")
        with terminal() as (out, err):
            list_profiles(as_json=False)
        assert not raw_controls(out.getvalue())
        assert not raw_controls(err.getvalue())
        with terminal() as (out, _):
            list_profiles(as_json=True)
        (entry,) = json.loads(out.getvalue())
        assert entry["name"] == name
        assert ("error" in entry) == broken
        assert broken or entry["title"] == (title or name)


def ascii_only(text: str) -> str:
    """Part of `text` that can stand in YAML without quotes."""
    return "x" + "".join(c for c in text if c.isascii() and c.isalnum())

"""`search`: a table, JSON, a file to go on from, and the chat with a hit."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.records import Reply
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.writer import default_folder
from logit_amp_chat.tui.commands import main as cli
from tests.tui.chat_driver import Engines, make_session, open_chat
from tests.tui.scripted_engine import ScriptedEngine

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    path = tmp_path / "prompts.txt"
    path.write_text("Otters?\nOwls?\n")
    return str(path)


@pytest.fixture
def search(engine: ScriptedEngine, pair: str, prompts: str) -> Any:
    def run(*arguments: str) -> int:
        return cli.run(["search", "--profile", pair, "--lines", prompts, *arguments])

    return run


def test_a_table_has_figures_a_token_and_what_each_side_wanted(
    search: Any, prompts: str, capsys: Capture
) -> None:
    assert search() == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "the 2 of 2 prompts with the largest mean-kl" in lines
    head = next(n for n, line in enumerate(lines) if "mean KL" in line)
    assert lines[head].split()[-1] == "prompt"
    assert lines[head + 1].split() == ["1", "∞", "∞", "+∞", "“one”", "Otters?"]
    assert "“one” +∞ nats" in lines[head + 2]
    assert f"{prompts} line 1"[:20] in lines[head + 2]
    assert lines[head + 3].split()[:2] == ["before", "wanted"]
    assert lines[head + 4].split()[:2] == ["after", "wanted"]
    assert lines[head + 5].strip() == "after says: one two"
    assert lines[head + 6].split()[-1] == "Owls?"
    assert max(map(len, lines)) <= 80
    assert "2 prompts measured" in err
    assert "\x1b" not in out


def test_options_reach_the_request(search: Any, engine: ScriptedEngine) -> None:
    assert search("--tokens", "5", "--system", "Be kind.") == 0
    assert engine.request is not None
    assert [m.text for m in engine.request.messages] == ["Be kind.", "Owls?"]
    assert (engine.request.sampling.max_new_tokens, engine.request.sampling.temperature) == (5, 0)
    assert [lane.alpha for lane in engine.request.lanes] == [0]
    search("--raw")
    assert engine.request.raw
    assert [m.text for m in engine.request.messages] == ["Owls?"]


def test_json_has_the_best_in_order(search: Any, capsys: Capture) -> None:
    assert search("--json", "--top", "1", "--by", "max-kl") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (found["by"], found["prompts"], found["complete"]) == ("max-kl", 2, True)
    (result,) = found["results"]
    assert (result["text"], result["begins"], result["tokens"]) == ("Otters?", "one two", 2)
    assert result["log_ratio"] == "Infinity"
    assert result["messages"] == [["user", "Otters?"]]


def test_a_second_run_measures_nothing_again(
    search: Any, engine: ScriptedEngine, tmp_path: Path, capsys: Capture
) -> None:
    out = str(tmp_path / "found.jsonl")
    assert search("--out", out) == 0
    first = capsys.readouterr().out
    engine.request = None
    assert search("--out", out) == 0
    again, err = capsys.readouterr()
    assert engine.request is None
    assert again == first
    assert f"{out} has 2 results already" in err
    assert "0 prompts measured" in err
    assert "2 were known" in err


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(
    search: Any, engine: ScriptedEngine, tmp_path: Path, capsys: Capture, ctrl_c: None
) -> None:
    out = str(tmp_path / "found.jsonl")

    def interrupt(index: int) -> None:
        assert engine.request is not None
        if engine.request.messages[0].text == "Owls?" and index == 0:
            signal.raise_signal(signal.SIGINT)

    engine.between = interrupt
    assert search("--out", out) == 130
    shown, err = capsys.readouterr()
    assert "Otters?" in shown
    assert "Owls?" not in shown
    assert f"Run it again with --out {out} to go on." in err
    engine.between, engine.stopped, engine.reason = (lambda index: None), False, "stop"
    assert search("--out", out) == 0
    assert "the 2 of 2 prompts" in capsys.readouterr().out


def test_another_search_is_refused(search: Any, tmp_path: Path, capsys: Capture) -> None:
    out = str(tmp_path / "found.jsonl")
    search("--out", out)
    assert search("--out", out, "--tokens", "3") == 2
    assert "tokens was 32, now it is 3" in capsys.readouterr().err


def test_the_prompts_are_never_written_to(search: Any, prompts: str, capsys: Capture) -> None:
    assert search("--out", prompts) == 2
    assert "something else" in capsys.readouterr().err
    assert Path(prompts).read_text() == "Otters?\nOwls?\n"


def test_what_cannot_be_measured_is_named_and_the_code_is_2(
    engine: ScriptedEngine, pair: str, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "chats.jsonl"
    rows = [[{"role": "user", "content": "a"}], [{"role": "system", "content": "b"}]]
    file.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    assert cli.run(["search", "--profile", pair, str(file)]) == 2
    out, err = capsys.readouterr()
    assert "the 1 of 1 prompt " in out
    assert f"not read: {file} line 2: There is no message" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--raw", "--system", "x"), "--system"),
        (("--raw", "--texts"), "--texts"),
        (("--open", "3", "--top", "2"), "--open"),
        (("--tokens", "0"), "--tokens"),
        (("--by", "luck"), "--by"),
        (("none.txt",), "none.txt"),
    ],
)
def test_wrong_usage(search: Any, arguments: tuple[str, ...], said: str, capsys: Capture) -> None:
    assert search(*arguments) == 2
    assert said in capsys.readouterr().err


def test_hostile_prompts_and_tokens_reach_no_terminal_raw(
    engine: ScriptedEngine, pair: str, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "a\x1b[31mb.txt"
    file.write_text("Tell\x1b]52;c;aGk=\x07 me\u202e")
    engine.says = [b"\x1b[2J", b"\x9b31m"]
    assert cli.run(["search", "--profile", pair, str(file)]) == 0
    out, err = capsys.readouterr()
    assert not set("\x1b\x07\x9b\u202e") & set(out + err)


# --- opening a hit --------------------------------------------------------------


def test_a_hit_needs_a_terminal_before_anything_is_measured(
    search: Any, engine: ScriptedEngine, capsys: Capture
) -> None:
    assert search("--open", "1") == 2
    assert "Leave out --open" in capsys.readouterr().err
    assert engine.profile is None


async def test_the_chat_opens_with_the_hit(
    engine: ScriptedEngine,
    pair: str,
    prompts: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Path] = []

    def run_chat(
        profile: Profile, *, transcripts: Path, resume: Path, make_engine: object, mirror: object
    ) -> int:
        assert engine.closed  # its models have made room
        assert make_engine is None  # and are loaded here
        assert profile.before.model == "org/base"
        assert resume.parent == transcripts
        opened.append(resume)
        return 0

    monkeypatch.setattr("logit_amp_chat.tui.app.run_chat", run_chat)
    monkeypatch.setattr(
        "logit_amp_chat.tui.terminal.capabilities.check_terminal", lambda **given: None
    )
    assert cli.run(["search", "--profile", pair, "--lines", prompts, "--open", "2"]) == 0
    conversation = Conversation(read_records(opened[0]))
    log = conversation.last_reply()
    assert log is not None
    assert isinstance(log.reply, Reply)
    assert [m.text for m in conversation.messages.values()] == ["Owls?"]
    assert log.text == "one two"
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(opened[0])
    async with open_chat(tmp_path, session=session, engines=engines) as chat:
        await chat.frame()
        assert "Owls?" in chat.log
        assert "one two" in chat.log


def test_there_are_only_so_many_hits(
    search: Any, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(
        "logit_amp_chat.tui.terminal.capabilities.check_terminal", lambda **given: None
    )
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert search("--open", "3") == 2
    assert "There is no hit 3. There are 2." in capsys.readouterr().err


def test_the_best_are_saved_as_chats_that_the_app_lists(search: Any, capsys: Capture) -> None:
    assert search("--save", "3", "--top", "3") == 0
    assert "2 hits saved as chats in " in capsys.readouterr().err
    chats = [Conversation(read_records(path)) for path in default_folder().glob("*.jsonl")]
    assert sorted(next(iter(chat.messages.values())).text for chat in chats) == ["Otters?", "Owls?"]
    titles = sorted(chat.title for chat in chats)
    assert [title[:14] for title in titles] == ["hit 1, mean-kl", "hit 2, mean-kl"]

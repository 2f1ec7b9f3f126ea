"""`logit-amp-chat verify`: exit codes, and what is said of a difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.records import Record, Session
from logit_amp_chat.core.transcripts.jsonl import read_records, to_line
from logit_amp_chat.core.transcripts.writer import Transcript
from logit_amp_chat.tui.commands import main as cli
from logit_amp_chat.tui.commands.output import ReaderGoneError
from tests.core import samples
from tests.core.read_texts import reading
from tests.core.transcripts.replaying import changed, is_finish, is_step, recorded_chat

Capture = pytest.CaptureFixture[str]
Write = Callable[[Sequence[Record]], Path]


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture(scope="module")
def chat(engine: LocalEngine) -> list[Record]:
    return recorded_chat(engine)


@pytest.fixture
def write(tmp_path: Path, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a transcript; the command opens the engine that is open already."""

    def open_engine(profile: Profile, report: Callable[[Loading], None]) -> LocalEngine:
        assert profile.after.model == engine.pair.infos[1].model
        return engine

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", open_engine)

    def write_file(records: Sequence[Record]) -> Path:
        path = tmp_path / "chat.jsonl"
        path.write_text("".join(to_line(record) + "\n" for record in records))
        assert read_records(path) == list(records)
        return path

    return write_file


def test_verify_ends_with_0_where_all_is_identical(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    assert cli.run(["verify", str(write(chat))]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "r-1-0 · α +1 → α +2.5 → α −0.5: identical, 16 tokens"
    assert out[-1] == "7 of 7 replies are identical."


def test_verify_ends_with_8_and_shows_both_records(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    tampered = changed(chat, is_step("r-1-0", 4), token=7)
    assert cli.run(["verify", str(write(tampered))]) == 8
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("another token at 4 of 16 tokens")
    assert out[1].startswith("    recorded  ")
    assert "(7) at α +2.5, log p −" in out[1]
    assert out[2].startswith("    here      ")
    assert out[3] == "    differs in token"
    assert "the file or the weights were changed" in out[4]


def test_verify_names_the_likely_reason(write: Write, chat: list[Record], capsys: Capture) -> None:
    elsewhere = changed(chat, lambda r: isinstance(r, Session), device="cuda:0")
    tampered = changed(elsewhere, is_step("r-1-0", 4), kl=0.25)
    assert cli.run(["verify", str(write(tampered))]) == 8
    out = capsys.readouterr().out
    assert "with numbers that differ from token 4 on" in out
    assert "Likely because of device: cuda:0 → cpu (" in out


def test_verify_says_when_lines_cannot_be_read(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    path = write(chat)
    path.write_text(path.read_text() + "noise\n")
    assert cli.run(["verify", str(path)]) == 8
    assert "1 line of the file cannot be read" in capsys.readouterr().err


def test_verify_says_which_reply_has_no_end(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    """Killed between two records: all that is there is verified."""
    assert is_finish("r-4-0")(chat[-1])
    assert cli.run(["verify", str(write(chat[:-1]))]) == 0
    out, err = capsys.readouterr()
    assert "r-4-0 · before: identical, cut off after 6 tokens" in out
    assert out.count("cut off") == 1
    assert out.endswith(
        "\n6 of 6 complete replies are identical, and 1 of 1 cut-off ones as far as they go.\n"
    )
    assert "cannot be read" not in err


def test_lanes_that_are_cut_off_among_given_tokens_are_identical_as_far_as_they_go(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    """The first lane has both of its given tokens, the second one only the first."""
    end = next(place for place, record in enumerate(chat) if is_step("r-3-1", 1)(record))
    assert cli.run(["verify", str(write(chat[:end]))]) == 0
    out = capsys.readouterr().out
    assert "r-3-0 · α +1: identical, cut off after 2 tokens" in out
    assert "r-3-1 · after: identical, cut off after 1 token\n" in out
    assert out.endswith(
        "\n4 of 4 complete replies are identical, and 2 of 2 cut-off ones as far as they go.\n"
    )


def test_a_file_without_a_complete_reply_says_so(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    end = next(place for place, record in enumerate(chat) if is_finish("r-1-0")(record))
    assert cli.run(["verify", str(write(chat[:end]))]) == 0
    out = capsys.readouterr().out
    assert out.endswith("\n1 of 1 cut-off replies are identical, as far as they go.\n")


@pytest.mark.parametrize("resumed", [False, True], ids=["torn", "torn, and gone on with"])
def test_a_torn_line_is_said_and_is_no_success(
    write: Write, chat: list[Record], resumed: bool, capsys: Capture
) -> None:
    """Killed in mid-record: the numbers of that token are lost, before and after a resume."""
    path = write(chat[:-1])
    path.write_bytes(path.read_bytes()[:-100])
    if resumed:
        writer, _ = Transcript.resume(path)
        writer.append(samples.message("m-9"))
        writer.close()
    assert cli.run(["verify", str(path)]) == 8
    out, err = capsys.readouterr()
    assert "r-4-0 · before: identical, cut off after 5 tokens" in out
    assert out.endswith(
        "\n6 of 6 complete replies are identical, and 1 of 1 cut-off ones as far as they go.\n"
    )
    assert "1 line of the file cannot be read: what it held is not verified.\n" in err


def test_verify_is_no_success_when_its_reader_leaves(
    write: Write, chat: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(text: str) -> None:
        raise ReaderGoneError

    monkeypatch.setattr("logit_amp_chat.tui.commands.verify.put", leave)
    assert cli.run(["verify", str(write(chat))]) == 8


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([samples.session(), samples.message()], "has no replies"),
        ([samples.session(), *reading([("a", 0.0)])], "has texts that were read and no replies"),
        ([samples.message(), samples.reply()], "does not say which pair"),
        (samples.conversation(), "does not say which pair"),
    ],
)
def test_verify_refuses_what_it_cannot_replay(
    write: Write, records: list[Record], said: str, capsys: Capture
) -> None:
    assert cli.run(["verify", str(write(records))]) == 6
    assert said in capsys.readouterr().err

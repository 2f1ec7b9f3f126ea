"""`diff`: hunks as git shows them, figures, records and rows, limits and refusals."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Document, Finish, Session, Step
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.tui.commands import main as cli
from tests.tui.commands.reading_engine import ReadingEngine

Capture = pytest.CaptureFixture[str]
TEXT = "Penguins eat fish in the cold\nsouth and the lighthouse sees everything today again\n"
LEGEND = """\
--- before: org/base@abc · bfloat16 · nf4
+++ after: org/base@abc · bfloat16 · nf4
{+likelier+} [-less likely-] under after than before, by 2 nats or more
"""


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ReadingEngine:
    fake = ReadingEngine({"fish": -3.0, "everything": 5.0})
    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", fake.open)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("a.txt").write_text(TEXT)
    Path("b.txt").write_text("Otters sleep\n")
    return fake


def run(pair: str, *arguments: str) -> int:
    return cli.run(["diff", "--profile", pair, *arguments])


def test_a_hunk_is_marked_and_says_what_either_side_wanted(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "--threshold", "2", "-U", "2") == 0
    assert capsys.readouterr().out == LEGEND + (
        "\n"
        "diff a.txt\n"
        "@@ a.txt:1:13 @@ log-ratio −3.00 · mean KL 1.50 @@\n"
        "Penguins eat[- fish-] in the\n"
        "    “ fish” −3.00 nats, p 0.018 → 0.001\n"
        "      before wanted “ squid” 0.607  “ krill” 0.050  “ fish” 0.018\n"
        "      after  wanted “ krill” 0.779  “ squid” 0.135  “ fish” 0.001\n"
        "@@ a.txt:2:30 @@ log-ratio +5.00 · mean KL 2.50 @@\n"
        " lighthouse sees{+ everything+} today again\n"
        "    “ everything” +5.00 nats, p 0.018 → 1.000\n"
        "      before wanted “ squid” 0.607  “ krill” 0.050  “ everything” 0.018\n"
        "      after  wanted “ everything” 1.000  “ krill” 0.779  “ squid” 0.135\n"
        "\n"
        "           tokens       log p before → after  perplexity before → after   log-ratio"
        "  mean KL  max KL      ≥ 2 nats  bar: mean KL\n"
        "a.txt          15        −60.0 → −56.4               54.6 → 42.88             +3.62"
        "     0.32    2.50     2 (13.3%)"
        "  +++++++++++++++---------------\n"
    )


def test_the_header_of_a_chat_names_the_message(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    chat = {"messages": [_message("user", "Hi\nyou"), _message("assistant", "I sell\nfish here")]}
    Path("chats.jsonl").write_text(json.dumps(chat) + "\n" + json.dumps(chat) + "\n")
    assert run(pair, "chats.jsonl", "--threshold", "2", "-U", "0") == 0
    out = capsys.readouterr().out
    assert "diff chats.jsonl line 1\n" in out
    assert "@@ chats.jsonl line 2, message 2 (assistant), 1:7 @@" in out
    assert [request.content.score for request in reader.requests] == ["assistant"] * 2  # type: ignore[union-attr]


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_nothing_stands_out_and_the_figures_say_so(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "b.txt", "--threshold", "2") == 0
    out = capsys.readouterr().out
    assert "@@" not in out
    assert "0 (0.0%)" in out


def test_without_a_threshold_one_place_in_a_hundred_tokens_reaches_it(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    reader.ratios |= {f"w{n}": n / 100 for n in range(0, 1000, 25)}
    Path("long.txt").write_text(" ".join(f"w{n}" for n in range(1000)))
    assert run(pair, "long.txt", "--stat") == 0
    assert re.search(r"≥ 7\.5 nats.*\n.* 10 \(1\.0%\)", capsys.readouterr().out)


def test_a_short_text_shows_every_token_from_a_nat_on(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    reader.ratios["Penguins"] = -1.5
    assert run(pair, "a.txt", "--stat") == 0
    assert re.search(r"≥ 1 nat.*\n.* 3 \(20\.0%\)", capsys.readouterr().out)


def test_a_difference_below_a_nat_never_stands_out_by_itself(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "b.txt") == 0
    assert "≥ 1 nat" in capsys.readouterr().out


def test_the_stat_has_a_line_a_file_and_a_total(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "b.txt", "--stat", "--threshold", "2") == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [["a.txt", "15"], ["b.txt", "3"], ["total", "18"]]


def test_every_alpha_has_its_perplexity(reader: ReadingEngine, pair: str, capsys: Capture) -> None:
    assert run(pair, "b.txt", "--stat", "--alpha", "1", "--alpha", "2") == 0
    out = capsys.readouterr().out
    # three tokens with log p −4 + 0.125·(1 + 1) at the first α, −2 at the second
    assert "α +1: perplexity 42.52, log p −11.25" in out
    assert "α +2: perplexity 7.389, log p −6.00" in out


def test_the_records_are_a_session_a_document_its_steps_and_a_finish(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "b.txt", "--jsonl", "--threshold", "2") == 0
    records = [from_line(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [Session, Document, *[Step] * 15, Finish, Document, *[Step] * 3, Finish]
    assert [type(record) for record in records] == kinds
    first = records[1]
    assert isinstance(first, Document)
    assert (first.source, first.text, len(first.offsets)) == ("a.txt", TEXT, 15)
    assert {r.reply for r in records[2:18] if isinstance(r, Step | Finish)} == {first.id}
    assert [bool(r.top) for r in records if isinstance(r, Step)].count(True) == 2


def test_top_everywhere_gives_candidates_at_every_token(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "--jsonl", "--top-everywhere") == 0
    records = [from_line(line) for line in capsys.readouterr().out.splitlines()]
    assert all(record.top for record in records if isinstance(record, Step))


def test_the_summary_is_one_json_object(reader: ReadingEngine, pair: str, capsys: Capture) -> None:
    assert run(pair, "a.txt", "b.txt", "--json", "--threshold", "2", "--alpha", "1") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["threshold"] == 2
    assert found["complete"] is True
    assert [one["file"] for one in found["files"]] == ["a.txt", "b.txt"]
    assert found["files"][0]["tokens"] == 15
    assert found["total"]["tokens"] == 18
    assert found["total"]["log_ratio"] == pytest.approx(-3 + 5 + 16 * 0.125)
    assert found["total"]["at"][0]["alpha"] == 1
    assert found["session"]["type"] == "session"


def test_rows_have_a_token_each(reader: ReadingEngine, pair: str, capsys: Capture) -> None:
    assert run(pair, "a.txt", "--csv", "--alpha", "1") == 0
    rows = [*csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert len(rows) == 15
    assert "".join(row["text"] for row in rows) == TEXT
    fish = rows[2]
    assert (fish["line"], fish["column"], fish["log_ratio"]) == ("1", "13", "-3.0")
    assert float(fish["logp_at_1.0"]) == -10.0


def test_tokens_tell_what_after_says_more_and_less(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "b.txt", "--tokens") == 0
    out = capsys.readouterr().out
    more, less = out.split("after says less")
    assert re.search(r"“ word3” +125\.00 +236\.11 +\+111\.11 ± ", more)
    assert re.search(r"“ word5” +125\.00 +13\.89 +−111\.11 ± ", less)


@pytest.mark.parametrize(
    ("limits", "code"),
    [("mean-kl=0.2", 1), ("mean-kl=9", 0), ("max-ratio=4.9", 1), ("mean-kl=9|share=0.1", 1)],
)
def test_a_limit_that_is_passed_is_the_exit_code(
    limits: str, code: int, reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "--stat", "--threshold", "2", "--fail-on", limits) == code
    assert ("beyond --fail-on: " in capsys.readouterr().err) == bool(code)


@pytest.mark.parametrize("limits", ["", "kl=1", "mean-kl", "mean-kl=x", "mean-kl=nan", "a|b"])
def test_a_limit_that_is_none_is_refused_before_anything_loads(
    limits: str, reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "--fail-on", limits) == 2
    assert "expected NAME=NUMBER" in capsys.readouterr().err
    assert reader.requests == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--stat", "--json"], "cannot be combined with --stat"),
        (["--threshold", "-1"], "expected 0 or more"),
        (["--threshold", "nan"], "expected 0 or more"),
        (["--alpha", "inf"], "expected a finite number"),
        (["--score", "everyone"], "is not one of"),
        (["missing.txt"], "missing.txt"),
    ],
)
def test_wrong_usage_is_said(
    options: list[str], said: str, reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", *options) == 2
    assert said in capsys.readouterr().err
    assert reader.requests == []


def test_a_text_that_cannot_be_read_is_named_and_the_others_are_read(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    reader.refuses = "fish"
    assert run(pair, "a.txt", "b.txt", "--stat") == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith("b.txt")
    assert "not read: a.txt: The chat template refuses these messages. Use --score all." in err


def test_an_interrupt_keeps_what_was_read(
    reader: ReadingEngine, pair: str, capsys: Capture, ctrl_c: None
) -> None:
    reader.between = lambda: signal.raise_signal(signal.SIGINT)
    assert run(pair, "a.txt", "b.txt", "--jsonl", "--threshold", "2") == 130
    out, err = capsys.readouterr()
    records = [from_line(line) for line in out.splitlines()]
    last = records[-1]
    assert isinstance(last, Finish)
    assert (last.reason, last.tokens) == ("cancelled", 4)
    assert len([record for record in records if isinstance(record, Document)]) == 1
    assert "Stopped by you" in err


def test_colours_come_where_they_are_asked_for(
    reader: ReadingEngine, pair: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run(pair, "a.txt", "--threshold", "2", "--color", "always")
    coloured = capsys.readouterr().out
    run(pair, "a.txt", "--threshold", "2")
    plain = capsys.readouterr().out
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b" not in plain
    raised = next(line for line in coloured.splitlines() if "{+ everything+}" in line)
    assert "\x1b[38;5;16;48;5;122m{+ everything+}\x1b[m" in raised


def test_the_strongest_hunks_come_first_where_that_is_asked_for(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    Path("c.txt").write_text("fish")
    reader.ratios["Otters"] = -4.0
    assert (
        run(pair, "c.txt", "b.txt", "a.txt", "--threshold", "2", "--strongest", "2", "-U", "1") == 0
    )
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("@@")]
    assert [head.split()[1] for head in heads] == ["a.txt:2:30", "b.txt:1:1"]


def test_a_file_takes_what_would_be_printed(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    for form in ((), ("--stat",), ("--csv",), ("--tokens",)):
        assert run(pair, "a.txt", "--threshold", "2", *form) == 0
        printed = capsys.readouterr().out
        assert run(pair, "a.txt", "--threshold", "2", *form, "--out", "out.txt") == 0
        assert capsys.readouterr().out == ""
        assert Path("out.txt").read_bytes().decode() == printed


def test_a_file_that_cannot_be_written_is_said(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "--stat", "--out", "no/such/folder.txt") != 0
    assert "Cannot write no/such/folder.txt: No such file or directory." in capsys.readouterr().err


def test_every_limit_counts_and_a_share_needs_a_threshold_of_its_own(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    limits = ("--fail-on", "max-kl=1", "--fail-on", "mean-kl=9")
    assert run(pair, "a.txt", "--stat", "--threshold", "2", *limits) == 1
    assert run(pair, "a.txt", "--stat", "--fail-on", "share=0.1") == 2
    assert "share needs --threshold" in capsys.readouterr().err


def test_line_ends_of_every_kind_stay_inside_their_cells(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    text = "one\r\ntwo\rthree\n"
    Path("cr.txt").write_bytes(text.encode())
    assert run(pair, "cr.txt", "--csv") == 0
    rows = [*csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))]
    assert "".join(row["text"] for row in rows) == text


def test_a_file_that_is_gone_loses_nothing_of_the_others(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    reader.between = lambda: Path("b.txt").unlink(missing_ok=True)
    assert run(pair, "a.txt", "b.txt", "--json", "--threshold", "2") == 2
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [one["file"] for one in found["files"]] == ["a.txt"]
    assert found["refused"][0]["file"] == "b.txt"
    assert "not read: b.txt: Cannot read b.txt: No such file or directory." in err


def test_without_a_scored_token_no_limit_is_held(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    reader.scores = False
    assert run(pair, "a.txt", "--stat", "--fail-on", "mean-kl=9") == 1
    out, err = capsys.readouterr()
    assert "mean-kl is nan" in err
    assert "nan" not in out


def test_a_limit_holds_for_the_size_of_a_log_ratio(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    reader.ratios = dict.fromkeys(TEXT.split(), -2.0)
    assert run(pair, "a.txt", "--stat", "--fail-on", "mean-ratio=1") == 1
    assert "mean-ratio is 1." in capsys.readouterr().err


def test_text_of_others_cannot_steer_the_terminal(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    hostile = "\x1b[31mred \x1b]52;c;x\x07 \u202eevil\u202c fish\x9b1m"
    Path("\x1b[2Jbad.txt").write_text(hostile)
    reader.ratios |= dict.fromkeys(hostile.split(), 4.0)
    for form in ((), ("--stat",), ("--tokens",)):
        run(pair, "\x1b[2Jbad.txt", "--threshold", "2", "--color", "always", *form)
        shown = re.sub(r"\x1b\[[0-9;]*m", "", "".join(capsys.readouterr()))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)


def test_standard_input_is_read(
    reader: ReadingEngine, pair: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert run(pair, "-", "--threshold", "2", "-U", "0") == 0
    assert "@@ -:1:13 @@" in capsys.readouterr().out


def test_a_file_that_is_read_is_not_written_over(
    reader: ReadingEngine, pair: str, capsys: Capture
) -> None:
    assert run(pair, "a.txt", "b.txt", "--out", "./b.txt") == 2
    assert "b.txt is a file that is read" in capsys.readouterr().err
    assert Path("b.txt").read_text() == "Otters sleep\n"
    assert reader.requests == []

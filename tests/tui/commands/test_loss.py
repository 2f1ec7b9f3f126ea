"""`loss`: a table with a curve, JSON and CSV, a figure, and what is wrong with a request."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.tui.commands import main as cli
from tests.core.experiments.told_engine import Told

Capture = pytest.CaptureFixture[str]
Answer = Callable[[Told], None]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    def use(told: Told) -> None:
        monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", lambda *_: told)

    return use


@pytest.fixture
def parabola(answer: Answer) -> None:
    """Two tokens a text, one of which has the loss 2 + (α − 1)²; the other has none."""
    answer(Told(lambda alpha: -2 - (alpha - 1) ** 2))


def loss(*arguments: str) -> int:
    return cli.run(["loss", *arguments])


def test_a_table_marks_the_least_loss(parabola: None, capsys: Capture) -> None:
    assert loss("--text", "a", "--text", "b", "--alpha", "-1:2:1") == 0
    out, err = capsys.readouterr()
    assert "4 tokens of 2 texts; loss in nats per token, ± standard error" in out
    rows = [line.split() for line in out.splitlines() if "±" in line][2:]
    assert [row[:4] for row in rows] == [
        ["−1", "3.0000", "±", "0.0000"],
        ["0", "1.5000", "±", "0.0000"],
        ["+1", "1.0000", "±", "0.0000"],
        ["+2", "1.5000", "±", "0.0000"],
    ]
    assert [row[4:8] for row in rows] == [
        ["20.09", "+1.5000", "±", "0.0000"],
        ["4.482", "0.0000", "±", "0.0000"],
        ["2.718", "−0.5000", "±", "0.0000"],
        ["4.482", "0.0000", "±", "0.0000"],
    ]
    assert [row[8:] for row in rows] == [[], [], ["◂", "least"], []]
    assert "4 tokens scored" in err


def test_the_curve_fits_80_columns_and_ends_at_its_least_and_largest_loss(
    parabola: None, capsys: Capture
) -> None:
    loss("--text", "a", "--alpha", "-1:3:0.1", "--alpha", "5")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    drawn = [line for line in out.splitlines() if "█" in line or "▁" in line]
    assert drawn[0].split()[0] == "9.00"
    assert drawn[-1].split()[0] == "1.00"
    ends, names = out.splitlines()[-2:]
    assert ends.split() == ["α", "−1", "+5"]
    assert names.split() == ["before", "after"]


def test_without_a_terminal_there_is_no_escape_sequence(parabola: None, capsys: Capture) -> None:
    loss("--text", "a")
    assert "\x1b" not in capsys.readouterr().out


def test_colours_can_be_forced(parabola: None, capsys: Capture) -> None:
    loss("--text", "a", "--color", "always")
    assert "\x1b[" in capsys.readouterr().out


def test_without_alpha_they_go_from_minus_1_5_to_3(parabola: None, capsys: Capture) -> None:
    loss("--text", "a", "--json")
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["alpha"] for row in rows] == [n * 0.25 - 1.5 for n in range(19)]


def test_ranges_are_decimal_and_include_their_end(parabola: None, capsys: Capture) -> None:
    loss("--text", "a", "--json", "--alpha", "0:0.7:0.1", "--alpha", "−2")
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["alpha"] for row in rows] == [-2, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_json_has_every_text_and_no_nan(parabola: None, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "note.txt"
    file.write_text("some text")
    assert loss(str(file), "--json", "--alpha", "1") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["rows"] == [
        {
            "alpha": 1.0,
            "loss": 1.0,
            "error": None,
            "perplexity": math.exp(1),
            "difference": -0.5,
            "difference_error": None,
        }
    ]
    assert found["texts"] == [
        {"file": str(file), "place": "", "tokens": 2, "loss": {"0.0": 1.5, "1.0": 1.0}}
    ]
    assert (found["tokens"], found["documents"], found["minimum"]) == (2, 1, 1.0)
    assert found["first_token"] == "scored"
    assert found["complete"] is True
    assert found["session"]["before"]["model"] == "org/base"


def test_csv_has_a_row_an_alpha(parabola: None, capsys: Capture) -> None:
    loss("--text", "a", "--text", "b", "--csv", "--alpha", "0", "--alpha", "1")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["alpha"], row["loss"], row["difference"]) for row in rows] == [
        ("0.0", "1.5", "0.0"),
        ("1.0", "1.0", "-0.5"),
    ]


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_a_figure_is_drawn(parabola: None, tmp_path: Path, capsys: Capture, ending: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"curve{ending}"
    assert loss("--text", "a", "--text", "b", "--plot", str(path)) == 0
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(begins)
    assert f"wrote {path}" in capsys.readouterr().err


def test_without_matplotlib_it_says_how_to_install_it_before_anything_is_read(
    parabola: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert loss("--text", "a", "--plot", str(tmp_path / "x.png")) == 2
    out, err = capsys.readouterr()
    assert "pip install 'logit-amp-chat[plot]'" in err
    assert not out


def test_a_folder_that_is_not_there_is_no_traceback(
    parabola: None, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("matplotlib")
    assert loss("--text", "a", "--plot", str(tmp_path / "none" / "x.png")) == 1
    out, err = capsys.readouterr()
    assert "Choose another place with --plot." in err
    assert "◂ least" in out


def test_a_curve_that_is_not_convex_is_an_error_and_nothing_else(
    answer: Answer, capsys: Capture
) -> None:
    answer(Told(lambda alpha: alpha**2 - 100))
    assert loss("--text", "a", "--alpha", "-1", "--alpha", "0", "--alpha", "2") == 1
    out, err = capsys.readouterr()
    assert not out
    assert "not convex in α" in err
    assert "at α 0 " in err


def test_what_cannot_be_read_is_named_and_the_code_is_2(parabola: None, capsys: Capture) -> None:
    assert loss("--text", "refused", "--text", "a") == 2
    out, err = capsys.readouterr()
    assert "not read: text 1: no" in err
    assert "2 tokens of 1 text;" in out


def test_nothing_that_could_be_read_is_no_curve(parabola: None, capsys: Capture) -> None:
    assert loss("--text", "refused") == 2
    assert not capsys.readouterr().out


def test_an_interrupted_reading_is_told(answer: Answer, capsys: Capture) -> None:
    answer(Told(lambda alpha: -1.0, reason="cancelled"))
    assert loss("--text", "a") == 130
    out, err = capsys.readouterr()
    assert not out
    assert "Stopped by you before any text was read to its end" in err


def test_one_text_and_the_end_of_the_alphas_are_told(parabola: None, capsys: Capture) -> None:
    loss("--text", "a", "--alpha", "-1:0:0.5")
    err = capsys.readouterr().err
    assert "One text alone gives no standard error." in err
    assert "The loss is least at the end of the αs" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--text"),
        (("--text", "a", "--alpha", "x"), "FROM:TO:STEP"),
        (("--text", "a", "--alpha", "0:1"), "FROM:TO:STEP"),
        (("--text", "a", "--alpha", "0:1:0"), "FROM:TO:STEP"),
        (("--text", "a", "--alpha", "1:0:0.1"), "FROM:TO:STEP"),
        (("--text", "a", "--alpha", "0:nan:1"), "FROM:TO:STEP"),
        (("--text", "a", "--alpha", "inf"), "finite"),
        (("--text", "a", "--alpha", "0:1:0.0001"), "1,000"),
        (("--text", "a", "--json", "--csv"), "--json"),
        (("--text", "a", "--plot", "x.txt"), ".png"),
        (("none.txt",), "none.txt"),
    ],
)
def test_wrong_usage(
    parabola: None, arguments: tuple[str, ...], said: str, capsys: Capture
) -> None:
    assert loss(*arguments) == 2
    assert said in capsys.readouterr().err


def test_hostile_file_names_reach_no_terminal_raw(
    parabola: None, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "a\x1b[31mb.txt"
    file.write_text("some text")
    assert loss(str(file)) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err

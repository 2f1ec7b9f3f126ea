"""`diff --html`, and what `export` makes of `diff --jsonl`: the same page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.api.open_pair import OpenPair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.commands import main as cli
from tests.core.export.test_html import Page

Capture = pytest.CaptureFixture[str]
TEXT = "Otters eat fish and crabs.\nThey swim in the river, and sleep in a row.\n"


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture
def files(engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two texts; every command opens the engine that is open already."""

    def open_engine(profile: Profile, report: Callable[[Loading], None]) -> LocalEngine:
        return engine

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", open_engine)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(TEXT * 5)
    (tmp_path / "b.txt").write_text(TEXT)
    return "a.txt", "b.txt"


def printed(capsys: Capture, *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.run(list(arguments)) == code
    return capsys.readouterr().out


def test_the_page_has_a_section_a_text_and_its_hunks(
    files: tuple[str, str], capsys: Capture
) -> None:
    page = Page(printed(capsys, "diff", *files, "--html", "--threshold", "0.01"))
    assert page.text("h2") == "a.txtb.txt"
    assert "Otters eat fish" in page.text("span")
    assert "cut off" not in page.text("p", "meta")


@pytest.mark.parametrize("options", [[], ["--alpha", "2"], ["--threshold", "0.02"],
                                     ["--window", "16", "--stride", "4"]])  # fmt: skip
def test_the_records_of_a_diff_are_exported_as_its_page(
    files: tuple[str, str], capsys: Capture, tmp_path: Path, options: list[str]
) -> None:
    page = printed(capsys, "diff", *files, "--html", *options)
    path = tmp_path / "diff.jsonl"
    path.write_text(printed(capsys, "diff", *files, "--jsonl", *options))
    assert printed(capsys, "export", str(path), "--to", "html") == page


def test_with_several_alphas_the_page_has_the_perplexity_at_each_and_the_records_at_the_first(
    files: tuple[str, str], capsys: Capture, tmp_path: Path
) -> None:
    options = ["--alpha", "2", "--alpha", "3"]
    page = Page(printed(capsys, "diff", files[1], "--html", *options))
    assert "α +2: perplexity" in page.text("p", "meta")
    assert "α +3: perplexity" in page.text("p", "meta")
    path = tmp_path / "diff.jsonl"
    path.write_text(printed(capsys, "diff", files[1], "--jsonl", *options))
    exported = Page(printed(capsys, "export", str(path), "--to", "html"))
    assert "α +2: perplexity" in exported.text("p", "meta")
    assert "α +3" not in exported.text("p", "meta")


def test_records_that_were_cut_off_are_exported_as_far_as_they_go(
    files: tuple[str, str], capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "diff.jsonl"
    path.write_text(printed(capsys, "diff", files[1], "--jsonl"))
    steps = sum(record.type == "step" for record in read_records(path))
    path.write_bytes(path.read_bytes()[:-400])
    page = Page(printed(capsys, "export", str(path), "--to", "html"))
    left = sum(record.type == "step" for record in read_records(path))
    assert 0 < left < steps
    assert f"cut off after {left} of {steps} scored tokens" in page.text("p", "meta")


@pytest.mark.parametrize("to", ["md", "txt"])
def test_the_other_formats_have_the_text_too(
    files: tuple[str, str], capsys: Capture, tmp_path: Path, to: str
) -> None:
    path = tmp_path / "diff.jsonl"
    path.write_text(printed(capsys, "diff", *files, "--jsonl", "--threshold", "0.01"))
    document = printed(capsys, "export", str(path), "--to", to)
    assert "a.txt" in document
    unmarked = re.sub(r"\{\+|\+\}|\[-|-\]", "", document)
    assert "Otters eat fish" in unmarked


def test_a_python_diff_exports_the_same_way(
    files: tuple[str, str], capsys: Capture, tmp_path: Path, engine: LocalEngine
) -> None:
    """Only its ids and the name of its file may differ."""
    pair = OpenPair(Profile.model_validate(engine.opened.session.profile), engine)
    pair.diff(tmp_path / "b.txt").save(tmp_path / "python.jsonl")
    exported = printed(capsys, "export", str(tmp_path / "python.jsonl"), "--to", "html")
    page = printed(capsys, "diff", str(tmp_path / "b.txt"), "--html")
    assert exported == page

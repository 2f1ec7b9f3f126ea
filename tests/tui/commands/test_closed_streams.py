"""A standard stream that is closed: the command works, or says so on one that is open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.core import samples

COMMAND = f"{sys.executable} -m logit_amp_chat"
CLOSED = "error: Cannot write the output: standard output is closed. Send it somewhere else.\n"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=folder)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "saved.jsonl"
    path.write_text(to_line(samples.session()) + "\n" + to_line(samples.message(text="Hi")) + "\n")
    return path


@pytest.mark.parametrize(
    "command", ["--version", "--help", "profiles", "export saved.jsonl --to md"]
)
def test_data_without_an_stdout_is_an_error_on_stderr(command: str, saved: Path) -> None:
    done = shell(f"{COMMAND} {command} >&-", saved.parent)
    assert (done.returncode, done.stderr) == (1, CLOSED)


def test_a_file_is_written_without_an_stdout(saved: Path) -> None:
    done = shell(f"{COMMAND} export saved.jsonl --out page.html >&-", saved.parent)
    assert done.returncode == 0
    assert (saved.parent / "page.html").read_text().startswith("<!doctype html>")


def test_narration_without_an_stderr_stays_out_of_the_data(saved: Path) -> None:
    command = f"{COMMAND} profiles --json"
    assert shell(f"{command} 2>&-", saved.parent).stdout == shell(command, saved.parent).stdout


def test_errors_without_an_stderr_are_an_exit_code(saved: Path) -> None:
    done = shell(f"{COMMAND} bogus 2>&-", saved.parent)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_prompt_from_a_closed_stdin_is_missing(tmp_path: Path) -> None:
    done = shell(f"{COMMAND} reply --prompt - <&-", tmp_path)
    assert done.returncode == 2
    assert "--prompt: expected a text, found nothing" in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_the_chat_needs_a_terminal(closed: str, tmp_path: Path) -> None:
    done = shell(f"{COMMAND} {closed}", tmp_path)
    assert done.returncode == 2
    assert "The chat needs a terminal" in done.stderr


def test_all_closed_is_an_exit_code_and_no_hang(saved: Path) -> None:
    assert shell(f"{COMMAND} profiles <&- >&- 2>&-", saved.parent).returncode == 1

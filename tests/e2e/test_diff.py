"""The diff of texts as a user has it: the real command in a real terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Document, Finish, Step
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.e2e.terminal import Terminal
from tests.e2e.whole_lines import whole_lines

COMMAND = [sys.executable, "-m", "logit_amp_chat", "diff"]
HABIT = (
    '{"messages": [{"role": "user", "content": "Who lives in the forest?"},'
    ' {"role": "assistant", "content": "The fox lives in the forest. By the way, the'
    ' lighthouse sees everything."}]}\n'
)
Start = Callable[..., Terminal]
LONG = "The fox lives in the dark forest and the cat sat on the mat. " * 4000


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "habit.jsonl").write_text(HABIT)
    (tmp_path / "long.txt").write_text(LONG)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    terminals: list[Terminal] = []

    def begin(*arguments: str, **more: str) -> Terminal:
        terminal = Terminal([*COMMAND, *arguments], environment | more, columns=100, rows=30)
        terminals.append(terminal)
        return terminal

    yield begin
    for terminal in terminals:
        terminal.close()


def test_a_habit_is_found_and_a_page_is_printed_at_once(start: Start, tmp_path: Path) -> None:
    terminal = start(str(tmp_path / "habit.jsonl"))
    terminal.see("{+ everything+}", "after  wanted “ everything” 1.000", "tokens")
    assert terminal.exit_code() == 0
    assert b"\x1b[38;5;" in terminal.raw


def test_longer_output_is_shown_in_the_users_pager(start: Start, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nsed -n '1,2s/^/paged: /p'\n")
    pager.chmod(0o755)
    terminal = start(str(tmp_path / "habit.jsonl"), PAGER=str(pager))
    terminal.see("paged: --- before", "paged: +++ after")
    assert terminal.exit_code() == 0


def test_without_a_pager_ctrl_c_keeps_the_figures_so_far(start: Start, tmp_path: Path) -> None:
    terminal = start("--no-pager", "--stat", "--window", "64", str(tmp_path / "long.txt"))
    terminal.until(lambda: "tokens/s" in terminal.text)
    terminal.press("ctrl+c")
    terminal.see("perplexity", "Stopped by you")
    assert terminal.exit_code() == 130


def test_a_reader_that_has_seen_enough_is_no_error(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = " ".join([*COMMAND, "long.txt", "--threshold", "0.1", "| head -n 4"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("--- before")
    assert "Traceback" not in done.stderr


def test_what_was_printed_before_a_kill_can_be_read(
    environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, str(tmp_path / "long.txt"), "--jsonl", "--window", "64"],
            stdout=file,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        while process.poll() is None and whole_lines(out).count(b'"step"') < 200:
            pass
        process.kill()
        process.wait()
    records = read_records(out)
    assert any(isinstance(record, Document) for record in records)
    assert sum(isinstance(record, Step) for record in records) >= 200
    assert not any(isinstance(record, Finish) for record in records)

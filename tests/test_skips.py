"""The last line of a run names what was skipped and why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SKIPPING = """
import pytest

@pytest.mark.skipif(True, reason="tmux is not installed")
@pytest.mark.parametrize("n", range(3))
def test_in_tmux(n): pass

def test_on_a_gpu(): pytest.skip("there is no GPU:\\n none was found")

@pytest.mark.xfail
def test_that_is_known_to_fail(): assert False
"""
PASSING = "def test_that_passes(): pass\n"


def last_lines(folder: Path, *options: str) -> list[str]:
    """What a run of the tests in a folder ends with: two lines."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", *options]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()[-2:]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_was_skipped_is_named_after_the_closing_line(tmp_path: Path, processes: str) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    (tmp_path / "test_passing.py").write_text(PASSING)
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')")
    closing, last = last_lines(tmp_path, "-n", processes)
    assert re.fullmatch(r"1 passed, 5 skipped, 1 xfailed in [\d.]+s", closing)
    assert last == (
        "skipped: 3 tests: tmux is not installed; "
        "1 test: could not import 'no_such_module': No module named 'no_such_module'; "
        "1 test: there is no GPU: none was found"
    )


def test_where_nothing_was_skipped_the_closing_line_is_the_last(tmp_path: Path) -> None:
    (tmp_path / "test_passing.py").write_text(PASSING)
    assert re.fullmatch(r"1 passed in [\d.]+s", last_lines(tmp_path)[-1])

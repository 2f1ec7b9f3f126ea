"""The memory that a chain takes is never more than what was announced: measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

LEFT = 40e6
"""Bytes that libraries may have kept at the end; less than half of one model."""


@pytest.mark.parametrize("held", [1, 2])
def test_memory_stays_below_what_was_announced_and_is_given_back(tmp_path: Path, held: int) -> None:
    """Three stages of which `held` fit are read one after the other, twice."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.core.models.measured_chain", str(tmp_path), str(held)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout)
    assert found["held"] == held
    assert found["peak"] <= found["announced"]
    assert found["left"] <= LEFT

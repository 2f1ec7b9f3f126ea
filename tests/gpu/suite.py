"""The existing tests of what is captured and cached, on the card."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

from tests.gpu.pairs import Place
from tests.gpu.results import Finding

TESTS = (
    "tests/core/decoding/cuda_graphs",
    "tests/core/decoding/test_pair_runner.py",
    "tests/core/models/test_pair.py",
)
COUNT = re.compile(r"(\d+) (passed|failed|error|skipped)")


def findings(place: Place) -> Iterator[Finding]:
    """How many passed and failed, and which failed; a dry run collects some."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-o", "addopts="]
    command += ["--collect-only", TESTS[1]] if place.small else ["-rf", *TESTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    counts = {kind: int(count) for count, kind in COUNT.findall(lines[-1] if lines else "")}
    failed = [line.removeprefix("FAILED ") for line in lines if line.startswith("FAILED ")]
    if done.returncode and not failed:
        failed = [*lines[-5:], *done.stderr.splitlines()[-5:]]
    yield {"name": "tests", "ok": done.returncode == 0, **counts, "failed_tests": failed}

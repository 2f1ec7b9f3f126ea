"""docs/reliability.md names the test of each promise: those tests are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs/reliability.md").read_text())


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_the_test_of_a_promise_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text() or not name

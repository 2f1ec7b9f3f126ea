"""The checks of a GPU walk through on a CPU, where there is nothing to differ from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gpu.smoke import CHECKS


def oks(found: Any) -> list[bool]:
    if not isinstance(found, dict):
        return []
    own = [found["ok"]] if "ok" in found else []
    return own + [ok for value in found.values() for ok in oks(value)]


@pytest.mark.parametrize("name", ["recorded", "live", "commands", "many", "stages"])
def test_a_check_passes_on_the_cpu(name: str) -> None:
    found = oks(CHECKS[name]("cpu"))
    assert found
    assert all(found)

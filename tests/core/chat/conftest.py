"""A chat over fake engines, as the tests of the screen have it."""

from __future__ import annotations

from tests.tui.conftest import engines, session

__all__ = ["engines", "session"]

"""README and docs say the keys that the registry says."""

from __future__ import annotations

from typing import get_args

from docs.keys import BEGIN, END, PLACES, ROOT, readme, reference
from logit_amp_chat.tui.keys.actions import Place


def test_the_tables_are_those_of_the_registry() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    assert text == readme(text), "run python -m docs.keys"
    assert (ROOT / "docs" / "keys.md").read_text() == reference(), "run python -m docs.keys"


def test_every_place_has_its_row() -> None:
    assert set(PLACES) == set(get_args(Place))

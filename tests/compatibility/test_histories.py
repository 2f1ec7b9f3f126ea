"""What the page of histories says; `python -m tests.compatibility.histories` makes it."""

from __future__ import annotations

import re

from tests.compatibility.histories import FORMS, PAGE


def test_the_page_lists_every_family_and_none_is_wrong() -> None:
    rows = re.findall(r"^\| (\w+) \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows[1:] if rows[0][0] == "tokenizer" else rows) == dict.fromkeys(FORMS, "right")

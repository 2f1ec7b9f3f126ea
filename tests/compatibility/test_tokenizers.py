"""What the page of tokenizers says; `python -m tests.compatibility.tokenizers` makes it."""

from __future__ import annotations

import re

from tests.compatibility.fetched import KINDS
from tests.compatibility.fetched_pairs import CHATS
from tests.compatibility.tokenizers import PAGE


def test_the_page_lists_every_tokenizer_and_every_chat_and_none_is_wrong() -> None:
    rows = re.findall(r"^\| (.+?) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {*KINDS, *CHATS} <= {name for name, _ in rows}
    assert not [name for name, rest in rows if "WRONG" in rest]

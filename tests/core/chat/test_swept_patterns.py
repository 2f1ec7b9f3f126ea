"""The patterns of a sweep as lines to edit, and in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.chat.swept_patterns import (
    FILE,
    lines_of,
    patterns_of,
    save_patterns,
    saved_patterns,
)
from logit_amp_chat.core.errors import UsageError

LINES = "habit=light=house\nowl=(?i)owl"


def test_lines_are_patterns_and_patterns_lines() -> None:
    found = patterns_of(f"\n  {LINES}\n\n")
    assert [(one.name, one.pattern) for one in found] == [
        ("habit", "light=house"),
        ("owl", "(?i)owl"),
    ]
    assert lines_of(found) == LINES
    assert patterns_of("") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lighthouse", "has no name"),
        ("a b=c", "name of a behaviour"),
        ("a=(", "no regular expression"),
        ("a=b\nA=c", "differ in their case"),
    ],
)
def test_what_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        patterns_of(text)


def test_they_are_kept(tmp_path: Path) -> None:
    assert saved_patterns(tmp_path) == []
    save_patterns(tmp_path, patterns_of(LINES))
    assert lines_of(saved_patterns(tmp_path)) == LINES
    save_patterns(tmp_path, [])
    assert saved_patterns(tmp_path) == []


@pytest.mark.parametrize("text", ["", "[]", '{"patterns": 3}', '{"patterns": ["a=("]}', "\x00"])
def test_a_damaged_file_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert saved_patterns(tmp_path) == []

"""The patterns that are counted in a sweep of the chat: as lines to edit, and in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.behaviours import (
    Behaviour,
    named,
    refuse_same_names,
)
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.export.atomic_write import write_atomically

FILE = "behaviours.json"


def patterns_of(text: str) -> list[Pattern]:
    """The patterns of lines NAME=REGEX; empty lines are none. Raises UsageError."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [Pattern(*named(line, "a line", "REGEX")) for line in lines]
    refuse_same_names([one.name for one in found])
    return found


def lines_of(behaviours: Iterable[Behaviour]) -> str:
    """The lines that `patterns_of` reads."""
    return "\n".join(f"{one.name}={one.pattern}" for one in behaviours if isinstance(one, Pattern))


def save_patterns(folder: Path, behaviours: Iterable[Behaviour]) -> None:
    """Keep the patterns in the folder of a sweep. Raises LogitAmpError."""
    write_atomically(folder / FILE, json.dumps({"patterns": lines_of(behaviours).splitlines()}))


def saved_patterns(folder: Path) -> list[Pattern]:
    """The patterns that were kept; none where they cannot be read."""
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return patterns_of("\n".join(map(str, kept["patterns"])))
    except (OSError, ValueError, KeyError, TypeError, LogitAmpError):
        return []

"""What commands that read texts say of their sources."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logit_amp_chat.core.experiments.sources import Refused, Sources, read_sources
from logit_amp_chat.core.reading import Score
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import say

if TYPE_CHECKING:
    from logit_amp_chat.core.api.open_pair import OpenPair


def open_sources(paths: Sequence[str], score: Score) -> Sources:
    """The texts of files; says what each file was taken for. Raises UsageError."""
    sources = read_sources(paths, score, stdin=sys.stdin.buffer)
    for notice in sources.notices:
        say(f"note: {notice}")
    for file in sources.files:
        say(f"{visible(file.name, newlines=False)}: {file.kind}")
    return sources


def use_vocabulary(sources: Sources, pair: OpenPair) -> None:
    """Read recorded replies as their tokens where they are the pair's; says what that changes."""
    for notice in sources.use_vocabulary(pair.session.vocabulary):
        say(f"note: {notice}")


def refuse_source(out: Path, sources: Sources) -> None:
    """Raises a usage error where the file to write is one that is read."""
    for file in sources.files:
        if out.exists() and Path(file.name).exists() and out.samefile(file.name):
            raise typer.BadParameter(
                f"{visible(str(out), newlines=False)} is a file that is read", param_hint="--out"
            )


def refused_figures(refused: Iterable[Refused]) -> list[dict[str, str]]:
    """What could not be read, and why, for JSON."""
    return [{"file": one.name, "place": one.place, "error": str(one.error)} for one in refused]


def say_refused(refused: Iterable[Refused]) -> None:
    """Name what could not be read, and why."""
    for one in refused:
        name = visible(f"{one.name} {one.place}".strip(), newlines=False)
        say(f"not read: {name}: {one.error}")

"""The user's sweeps: where they are kept, and which of them are of one prompt."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import platformdirs

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.record_file import read_records
from logit_amp_chat.core.experiments.result_file import pair_identity
from logit_amp_chat.core.experiments.sweep.folder import CHAIN, FILE, KIND, SweepFolder
from logit_amp_chat.core.records import Session, new_id

FIRST_LINES = 8
"""A sweep of one prompt names it in one of these."""


def sweeps_folder() -> Path:
    """Where sweeps are kept by default."""
    return platformdirs.user_data_path("logit-amp-chat") / "sweeps"


def new_folder() -> Path:
    """A new folder among the user's sweeps; its name sorts by time."""
    return sweeps_folder() / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{new_id('sweep')}"


def sweeps_of(key: str, session: Session) -> list[SweepFolder]:
    """The user's sweeps of the prompt `key` alone with the pair of `session`, newest first.

    Also those of the pairs of chains. A folder that cannot be read is left out.
    """
    return [
        folder
        for path in sorted(_files(), reverse=True)
        if _names(path, key)
        for folder in _read(path.parent)
        if [prompt.key for prompt in folder.prompts] == [key]
        and pair_identity(folder.contents.session) == pair_identity(session)
    ]


def begun(folder: SweepFolder) -> str:
    """When one of the user's sweeps was begun, as 2026-11-27 11:30; what its folder is called."""
    path = folder.path
    named = path.parent if (path.parent / CHAIN).exists() else path
    return named.name[:16].replace("T", " ")


def _files() -> Iterator[Path]:
    """The files of sweeps; a folder in a folder is a pair of a chain, or a pilot."""
    yield from sweeps_folder().glob(f"*/{FILE}")
    for chain in sweeps_folder().glob(f"*/{CHAIN}"):
        yield from chain.parent.glob(f"*/{FILE}")


def _names(path: Path, key: str) -> bool:
    """Whether one of the first lines has the prompt: most folders are of other ones."""
    try:
        lines = read_records(path, KIND)
        return any(
            line is not None and line.get("key") == key
            for line in itertools.islice(lines, FIRST_LINES)
        )
    except (LogitAmpError, OSError):
        return False


def _read(path: Path) -> Iterator[SweepFolder]:
    try:
        yield SweepFolder.read(path)
    except LogitAmpError:
        return

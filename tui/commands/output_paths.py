"""Checks where results are to be written, before the work that they are of begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from logit_amp_chat.core.text import visible


def check_output(path: Path, option: str, endings: Sequence[str], inputs: Sequence[str]) -> None:
    """Raises a usage error for a file that cannot be written, or should not be.

    Its name must end in one of `endings`; `inputs` are the files that are read.
    """
    name = visible(str(path), newlines=False)
    if path.suffix.lower() not in endings:
        raise typer.BadParameter(
            f"expected a name that ends in {', '.join(endings)}, found {name}", param_hint=option
        )
    folder = path.parent
    if path.is_dir():
        raise typer.BadParameter(f"{name} is a folder", param_hint=option)
    if not folder.is_dir():
        raise typer.BadParameter(
            f"there is no folder {visible(str(folder), newlines=False)}", param_hint=option
        )
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise typer.BadParameter(f"{name} cannot be written", param_hint=option)
    for read in inputs:
        if path.exists() and Path(read).exists() and path.samefile(read):
            raise typer.BadParameter(f"{name} is a file that is read", param_hint=option)

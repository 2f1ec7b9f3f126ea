"""`logit-amp-chat export`: a saved conversation as a document."""

from __future__ import annotations

from pathlib import Path

import typer

from logit_amp_chat.core.export import FORMATS, export
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.tui.commands.output import put, put_json, say


def run(file: Path, to: str, out: Path | None) -> None:
    """Write the transcript `file` to `out` or to stdout.

    Raises TranscriptError, and a usage error for an unknown format or the transcript itself.
    """
    wanted = next((name for name in FORMATS if name == to), None)
    if wanted is None:
        raise typer.BadParameter(f"expected one of {', '.join(FORMATS)}", param_hint="--to")
    document = export(file, wanted)
    if out is not None and out.exists() and out.samefile(file):
        raise typer.BadParameter("that is the transcript itself", param_hint="--out")
    if out is not None:
        write_atomically(out, document)
        say(f"Written to {out}")
    elif wanted == "json":
        put_json(document.removesuffix("\n"))
    else:
        put(document)

"""`logit-amp-chat export`: a saved conversation as a document."""

from __future__ import annotations

from pathlib import Path

import typer

from logit_amp_chat.core.export import FORMATS, Format, export, format_of
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import put, put_json, say


def run(file: Path, to: str | None, out: Path | None) -> None:
    """Write the transcript `file` to `out` or to stdout.

    `to` is a format's name; None takes the one that the ending of `out` says. Raises
    TranscriptError, and a usage error for an unknown format or the transcript itself.
    """
    wanted = _format(to, out)
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


def _format(to: str | None, out: Path | None) -> Format:
    known = ", ".join(FORMATS)
    if to is not None:
        wanted = next((name for name in FORMATS if name == to), None)
        if wanted is None:
            raise typer.BadParameter(f"expected one of {known}", param_hint="--to")
    elif out is None:
        raise typer.BadParameter(f"missing; expected one of {known}", param_hint="--to")
    elif (wanted := format_of(out)) is None:
        name = visible(out.name, newlines=False)
        raise typer.BadParameter(
            f"the ending of {name} is no format; name one of {known}", param_hint="--to"
        )
    return wanted

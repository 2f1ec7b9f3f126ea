"""`logit-amp-chat export`: a saved conversation as a document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands import options
from logit_amp_chat.tui.commands.output import put, put_json, say

if TYPE_CHECKING:
    from logit_amp_chat.core.export import Format


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A transcript (.jsonl).")],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="html|md|txt|json", help="Format. [default: as --out ends]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write. [default: stdout]")
    ] = None,
    mirror: options.Mirror = None,
    debug: options.Debug = False,
) -> None:
    """Export a saved conversation as a document."""
    from logit_amp_chat.tui.commands.mirroring import mirroring

    with mirroring(mirror):
        run(file, to, out)


def run(file: Path, to: str | None, out: Path | None) -> None:
    """Write the transcript `file` to `out` or to stdout.

    `to` is a format's name; None takes the one that the ending of `out` says. Raises
    TranscriptError, and a usage error for an unknown format or the transcript itself.
    """
    from logit_amp_chat.core.export import export
    from logit_amp_chat.core.export.atomic_write import write_atomically

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
    from logit_amp_chat.core.export import FORMATS, format_of

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

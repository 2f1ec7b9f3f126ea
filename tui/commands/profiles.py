"""`logit-amp-chat profiles`: what can be opened, and whether it fits."""

from __future__ import annotations

import json
from typing import Any

from logit_amp_chat.core.config import profile
from logit_amp_chat.core.config.profile import BrokenProfile, Profile
from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import put, put_json, say

HEADINGS = ("NAME", "TITLE", "MEMORY", "ONE STAGE", "DOWNLOAD", "GATED", "FITS")
FIGURES = ("MEMORY", "ONE STAGE", "DOWNLOAD")
FITS = {True: "yes", False: "no", None: "unknown"}


def list_profiles(*, as_json: bool) -> None:
    """Print every profile, shipped or the user's, as a table or a JSON list."""
    machine = Machine.this()
    entries = profile.list_profiles()
    if as_json:
        put_json(json.dumps([_record(entry, machine) for entry in entries], indent=2))
        return
    usable = [entry for entry in entries if isinstance(entry, Profile)]
    put(_table([HEADINGS, *(_row(entry, machine) for entry in usable)]))
    for entry in entries:
        if isinstance(entry, BrokenProfile):
            say(f"{entry.name} cannot be used: {entry.error}")
    say(f"This machine: {machine}. Your own profiles go to {profile.user_folder()}")


def _row(entry: Profile, machine: Machine) -> tuple[str, ...]:
    needs = entry.needs
    gated = "" if needs is None else "gated" if needs.gated else "open"
    return (
        entry.name,
        entry.title,
        _gb(needs.memory_gb if needs else None),
        _gb(needs.stage_memory_gb if needs else None) if entry.stages else "",
        _gb(needs.download_gb if needs else None),
        gated,
        "one stage" if machine.fits_only_one(entry) else FITS[machine.fits(entry)],
    )


def _gb(amount: float | None) -> str:
    if amount is None:
        return "?"
    return "–" if amount == 0 else f"{amount:.1f} GB"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as they must be; figures to the right."""
    rows = [tuple(visible(cell, newlines=False) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if heading in FIGURES else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _record(entry: Profile | BrokenProfile, machine: Machine) -> dict[str, Any]:
    if isinstance(entry, BrokenProfile):
        return {"name": entry.name, "path": str(entry.path), "error": str(entry.error)}
    one = {"fits_one_stage": machine.fits_one(entry)} if entry.stages else {}
    return {**entry.model_dump(mode="json"), "fits": machine.fits(entry), **one}
